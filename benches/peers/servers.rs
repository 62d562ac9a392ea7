//! The servers that are measured, each from a file in `configs/`, on ports of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::scene::Scene;
use crate::support::{Running, free_port, here, pinned, portcullis, wait_for};

pub struct Server {
    pub name: &'static str,
    pub running: Running,
    pub port: u16,
    pub tls: u16,
}

/// Large enough for the answers of the scenario with large ones.
const BUFFERS: &str = "proxy_buffer_size 16k; proxy_buffers 8 64k; proxy_busy_buffers_size 128k;";

impl Server {
    /// `None`: it is not installed.
    pub fn start(name: &'static str, scene: &Scene) -> Option<Self> {
        let (port, tls) = (free_port(), free_port());
        let home = scene.folder.path().join(name);
        std::fs::create_dir_all(home.join("logs")).expect("the temporary folder can be written");
        let config = |file: &str| {
            let text = std::fs::read_to_string(here("benches/peers/configs").join(file)).expect("it is there");
            let values = [
                ("@PORT@", port.to_string()),
                ("@TLS@", tls.to_string()),
                ("@ADMIN@", free_port().to_string()),
                ("@UPSTREAM@", scene.upstream.to_string()),
                ("@DIR@", scene.folder.path().display().to_string()),
                ("@BUFFERS@", if name == "nginx-tuned" { BUFFERS.to_owned() } else { String::new() }),
                ("@ENGINE@", if name == "portcullis-compat" { "compat" } else { "strict" }.to_owned()),
            ];
            let text = values.iter().fold(text, |text, (mark, value)| text.replace(mark, value));
            let path = home.join(file);
            std::fs::write(&path, text).expect("the temporary folder can be written");
            path
        };
        let mut command = command(name, &home, config)?;
        let log = std::fs::File::create(home.join("out")).expect("the temporary folder can be written");
        command.stdout(log.try_clone().expect("a file")).stderr(log).current_dir(&home);
        let running = Running::start(name, &mut command);
        wait_for(port);
        Some(Self { name, running, port, tls })
    }
}

fn command(name: &str, home: &Path, config: impl Fn(&str) -> PathBuf) -> Option<Command> {
    let on = |program: &str| pinned(Some(1), program);
    let mut command = match name {
        "nginx" | "nginx-tuned" | "nginx-lua" => {
            let file = config(if name == "nginx-lua" { "nginx-lua.conf" } else { "nginx-plain.conf" });
            let mut command = on("nginx");
            command.arg("-p").arg(home).arg("-e").arg(home.join("error.log")).arg("-c").arg(file);
            command
        }
        "haproxy" | "haproxy-jwt" => {
            let file = config("haproxy-jwt.cfg");
            if name == "haproxy" {
                forwards_only(&file);
            }
            let mut command = on("haproxy");
            command.args(["-db", "-f"]).arg(file);
            command
        }
        "apache-oauth2" => {
            let mut command = on("apache2");
            command.args(["-D", "FOREGROUND", "-f"]).arg(config("apache-oauth2.conf"));
            command
        }
        "envoy-jwt" => {
            let found = std::fs::read_dir(here("target/tools/envoy/lib")).ok()?.flatten().next()?.path();
            let program = found.join("site-packages/envoy/_bin/envoy");
            if !program.exists() {
                eprintln!("Envoy is left out: it is not installed");
                return None;
            }
            let mut command = on(&program.display().to_string());
            command
                .args(["--concurrency", "1", "-l", "error", "--disable-hot-restart", "-c"])
                .arg(config("envoy-jwt.yaml"));
            command
        }
        "portcullis" | "portcullis-compat" => {
            let mut command = on(portcullis());
            command.args(["run", "--workers", "1"]).arg(config("portcullis.yaml"));
            command
        }
        other => panic!("nobody knows {other}"),
    };
    command.env("NO_COLOR", "1");
    Some(command)
}

/// Takes everything out of HAProxy's file that looks at a request.
fn forwards_only(file: &Path) {
    let text = std::fs::read_to_string(file).expect("it was just written");
    let plain =
        |line: &&str| !["http-request", "http-response", "acl"].contains(&line.trim().split(' ').next().unwrap_or(""));
    let kept: Vec<&str> = text.lines().filter(plain).collect();
    std::fs::write(file, kept.join("\n") + "\n").expect("it can be written again");
}
