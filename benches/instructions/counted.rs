//! The gateway under callgrind.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::scene::Scene;
use crate::support::{Running, free_port, here, listens_within, portcullis};
use crate::{Door, Scenario};

/// Requests of the short and of the long load; what they differ by is what is counted, so that connecting, starting and
/// stopping do not count.
const SHORT: u64 = 250;
const LONG: u64 = 1_250;
/// How long a program that is not optimised may take to start under valgrind.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(120);

pub struct Counted {
    running: Running,
    folder: PathBuf,
    clear: u16,
    tls: u16,
    compat: u16,
}

impl Counted {
    pub fn start(scene: &Scene) -> Self {
        let folder = scene.folder.path().to_owned();
        let (clear, tls, compat) = (free_port(), free_port(), free_port());
        let text = std::fs::read_to_string(here("benches/instructions/gateway.yaml")).expect("it is there");
        let values = [
            ("@CLEAR@", clear.to_string()),
            ("@TLS@", tls.to_string()),
            ("@COMPAT@", compat.to_string()),
            ("@ADMIN@", free_port().to_string()),
            ("@UPSTREAM@", scene.upstream.to_string()),
            ("@DIR@", folder.display().to_string()),
        ];
        let text = values.iter().fold(text, |text, (mark, value)| text.replace(mark, value));
        std::fs::write(folder.join("gateway.yaml"), text).expect("the temporary folder can be written");
        let out = std::fs::File::create(folder.join("out")).expect("the temporary folder can be written");
        let mut command = Command::new("valgrind");
        command
            .args(["--tool=callgrind", "--callgrind-out-file=counts"])
            .arg(portcullis())
            .args(["run", "--workers", "1", "gateway.yaml"])
            .current_dir(&folder)
            .stdout(out.try_clone().expect("a file"))
            .stderr(out);
        let running = Running::start("valgrind", &mut command);
        for port in [clear, tls, compat] {
            assert!(listens_within(port, PATIENCE), "nothing listens on port {port}");
        }
        Self { running, folder, clear, tls, compat }
    }

    /// Instructions of one request more.
    pub fn per_request(&self, scenario: &Scenario, scene: &Scene) -> f64 {
        // Warms what is learned once: the token, the upstream's connection.
        self.load(scenario, scene, 200);
        self.dump();
        self.load(scenario, scene, SHORT);
        let short = self.dump();
        self.load(scenario, scene, LONG);
        let long = self.dump();
        if std::env::var_os("PORTCULLIS_PROFILE").is_some() {
            self.profile();
        }
        (long - short) as f64 / (LONG - SHORT) as f64
    }

    fn load(&self, scenario: &Scenario, scene: &Scene, requests: u64) {
        let (scheme, port) = match scenario.door {
            Door::Clear => ("http", self.clear),
            Door::Tls => ("https", self.tls),
            Door::Compat => ("http", self.compat),
        };
        let host = if scheme == "https" { "localhost" } else { "127.0.0.1" };
        let mut command = Command::new("h2load");
        command.args(["-c1", "-m1", "-n", &requests.to_string()]);
        if !scenario.http2 {
            command.arg("--h1");
        }
        if scenario.with_token {
            command.args(["-H", &format!("Authorization: Bearer {}", scene.token)]);
        }
        let ran = command.arg(format!("{scheme}://{host}:{port}/v1/orders/7")).output().expect("h2load is installed");
        let said = String::from_utf8_lossy(&ran.stdout);
        let class = if scenario.with_token { "2xx" } else { "4xx" };
        assert!(said.contains(&format!("{requests} {class}")), "not every request was answered: {said}");
    }

    /// Lets callgrind write down what it has counted since it was last asked; the sum.
    fn dump(&self) -> u64 {
        let asked = Command::new("callgrind_control")
            .args(["--dump", &self.running.pid().to_string()])
            .current_dir(&self.folder)
            .stdout(Stdio::null())
            .status();
        assert!(asked.is_ok_and(|status| status.success()), "callgrind_control is a part of valgrind");
        let text = std::fs::read_to_string(self.latest()).expect("callgrind has written it");
        let line = text.lines().rev().find_map(|line| line.strip_prefix("totals: ")).expect("a sum");
        line.trim().parse().expect("a number")
    }

    /// Of the numbered files, the one with the highest number.
    fn latest(&self) -> PathBuf {
        let number = |path: &PathBuf| path.extension()?.to_str()?.parse::<u32>().ok();
        let files = std::fs::read_dir(&self.folder).expect("it can be read").flatten().map(|entry| entry.path());
        let counts = files.filter(|path| path.file_stem().is_some_and(|stem| stem == "counts"));
        counts.max_by_key(number).expect("callgrind has written one")
    }

    fn profile(&self) {
        let file = self.latest();
        let out =
            Command::new("callgrind_annotate").arg(file).output().expect("callgrind_annotate is a part of valgrind");
        for line in String::from_utf8_lossy(&out.stdout).lines().take(120) {
            println!("{line}");
        }
    }
}
