//! What `docs/deploy` ships: each file is judged by the schema of its own kind, and by the gateway.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::House;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn shipped(name: &str) -> PathBuf {
    root().join("docs/deploy").join(name)
}

/// A program that `.ci/test` puts into the tools' own Python.
fn tool(name: &str) -> Command {
    Command::new(root().join("target/tools/python/bin").join(name))
}

fn must_succeed(command: &mut Command) -> Output {
    let out = command.output().unwrap_or_else(|fault| panic!("{command:?}: {fault}; `.ci/test` installs it"));
    let (said, complained) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success(), "{command:?}: {said}{complained}");
    out
}

/// All documents of a YAML file, as the usual reader of the field sees them (YAML 1.1, as Kubernetes).
fn documents(file: &str) -> Vec<Value> {
    let script = "import json, sys, yaml\nprint(json.dumps(list(yaml.safe_load_all(open(sys.argv[1])))))";
    let out = must_succeed(tool("python").args(["-c", script]).arg(shipped(file)));
    serde_json::from_slice(&out.stdout).unwrap()
}

fn manifest(kind: &str) -> Value {
    let all = documents("kubernetes.yaml");
    all.into_iter().find(|one| one["kind"] == kind).unwrap_or_else(|| panic!("a {kind} in the manifest"))
}

#[test]
fn the_manifest_for_kubernetes_fits_the_schemas_of_kubernetes() {
    let mut command = tool("kubernetes-validate");
    let out = must_succeed(command.arg("--strict").arg(shipped("kubernetes.yaml")));
    let said = format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert_eq!(said.matches(" passed ").count(), documents("kubernetes.yaml").len(), "{said}");
}

#[test]
fn the_compose_file_is_one_by_the_specification_of_compose() {
    let script = "import sys\nfrom compose_spec import PyCompose\n\
                  PyCompose.from_yaml(open(sys.argv[1]).read()).validate()";
    must_succeed(tool("python").args(["-c", script]).arg(shipped("compose.yaml")));
}

#[test]
fn the_container_is_built_as_it_should_be_of_all_that_cargo_needs() {
    must_succeed(tool("hadolint").arg(shipped("Containerfile")));
    let text = std::fs::read_to_string(shipped("Containerfile")).unwrap();
    let copied = text.lines().filter(|line| !line.contains("--from")).filter_map(|line| line.strip_prefix("COPY "));
    let folder = tempfile::tempdir().unwrap();
    for words in copied.map(|line| line.split_whitespace().collect::<Vec<_>>()) {
        let (_, sources) = words.split_last().unwrap();
        for source in sources {
            must_succeed(Command::new("cp").arg("-r").arg(root().join(source)).arg(folder.path()));
        }
    }
    // Reads the manifest: every target that it names has to be there.
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["metadata", "--locked", "--offline", "--no-deps", "--format-version", "1"]);
    must_succeed(cargo.current_dir(folder.path()));
}

#[test]
fn the_files_of_the_fleets_have_no_problem() {
    let folder = tempfile::tempdir().unwrap();
    let kubernetes = folder.path().join("gateway.yaml");
    std::fs::write(&kubernetes, manifest("ConfigMap")["data"]["gateway.yaml"].as_str().unwrap()).unwrap();
    for file in [kubernetes, shipped("gateway.yaml")] {
        must_succeed(Command::new(env!("CARGO_BIN_EXE_portcullis")).args(["check", "--no-files"]).arg(file));
    }
}

#[test]
fn the_file_that_the_package_starts_with_has_no_problem_and_writes_where_the_service_may() {
    let file = root().join("systemd/debian/gateway.yaml");
    let out = must_succeed(Command::new(env!("CARGO_BIN_EXE_portcullis")).arg("check").arg(&file));
    let said = String::from_utf8_lossy(&out.stdout);
    assert!(said.contains("listens on http://127.0.0.1:8080") && !said.contains("warning"), "{said}");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains("store: {sqlite: /var/lib/portcullis/"), "the one folder that the unit leaves open");
}

/// The value of `key: 15s` in a text.
fn seconds(text: &str, key: &str) -> u64 {
    let (_, rest) = text.split_once(&format!("{key}: ")).unwrap_or_else(|| panic!("{key} in {text}"));
    let (number, _) = rest.split_once('s').unwrap();
    number.parse().unwrap_or_else(|_| panic!("{key} in seconds"))
}

#[test]
fn whoever_would_kill_the_gateway_waits_for_longer_than_it_takes_to_drain() {
    let check = |text: &str, grace: u64, failing: u64| {
        assert!(grace > seconds(text, "notice") + seconds(text, "drain"), "{grace}");
        assert!(failing < seconds(text, "notice"), "{failing} s until a balancer has noticed");
    };
    let pod = manifest("StatefulSet")["spec"]["template"]["spec"].clone();
    let probe = &pod["containers"][0]["readinessProbe"];
    let noticed = probe["periodSeconds"].as_u64().unwrap() * probe["failureThreshold"].as_u64().unwrap();
    let file = manifest("ConfigMap")["data"]["gateway.yaml"].as_str().unwrap().to_owned();
    check(&file, pod["terminationGracePeriodSeconds"].as_u64().unwrap(), noticed);

    let balancer = std::fs::read_to_string(shipped("balancer.cfg")).unwrap();
    assert!(balancer.contains("inter 1s fall 2"));
    let file = std::fs::read_to_string(shipped("gateway.yaml")).unwrap();
    let compose = documents("compose.yaml").remove(0);
    let grace = format!("grace: {}", compose["services"]["gateway"]["stop_grace_period"].as_str().unwrap());
    check(&file, seconds(&grace, "grace"), 2);

    let unit = std::fs::read_to_string(root().join("systemd/portcullis.service")).unwrap();
    let (_, rest) = unit.split_once("\nTimeoutStopSec=").unwrap();
    let limit: u64 = rest.lines().next().unwrap().parse().unwrap();
    assert!(limit > 30, "the file's default for `drain` is 30 s");
}

#[test]
fn the_container_runs_as_nobody_with_nothing_to_write_to() {
    let pod = manifest("StatefulSet")["spec"]["template"]["spec"].clone();
    let container = &pod["containers"][0]["securityContext"];
    assert_eq!(
        (&pod["securityContext"]["runAsNonRoot"], &container["readOnlyRootFilesystem"]),
        (&true.into(), &true.into())
    );
    assert_eq!(container["capabilities"]["drop"][0], "ALL");
    let gateway = documents("compose.yaml").remove(0)["services"]["gateway"].clone();
    assert_eq!((&gateway["read_only"], &gateway["cap_drop"][0]), (&true.into(), &"ALL".into()));
    let user = pod["securityContext"]["runAsUser"].as_u64().unwrap();
    let text = std::fs::read_to_string(shipped("Containerfile")).unwrap();
    assert!(text.contains(&format!("USER {user}:")), "one user in both");
}

#[test]
fn the_audit_log_of_a_fleet_lies_on_a_volume_that_lasts_and_holds_what_is_kept() {
    let kept_gigabytes = |text: &str| {
        let (_, rest) = text.split_once("audit.jsonl, keep: ").expect("how long it is kept");
        let days: f64 = rest.split_once('d').unwrap().0.parse().unwrap();
        assert!(text.contains("10 tokens a second"), "for which rate");
        // A file more is there before the oldest goes.
        (days * 86_400.0 * 10.0 * 480.0 + 2.0 * f64::from(64 << 20)) / 1e9
    };
    let fleet = manifest("StatefulSet")["spec"].clone();
    let claim = &fleet["volumeClaimTemplates"][0];
    assert_eq!(claim["metadata"]["name"], fleet["template"]["spec"]["containers"][0]["volumeMounts"][2]["name"]);
    let room = claim["spec"]["resources"]["requests"]["storage"].as_str().unwrap().strip_suffix("Gi").unwrap();
    let file = std::fs::read_to_string(shipped("kubernetes.yaml")).unwrap();
    assert!(kept_gigabytes(&file) < room.parse::<f64>().unwrap());

    let gateway = documents("compose.yaml").remove(0)["services"]["gateway"].clone();
    assert!(gateway["tmpfs"].is_null(), "memory does not last");
    assert_eq!(gateway["volumes"][1], "/var/lib/portcullis");
    assert!(kept_gigabytes(&std::fs::read_to_string(shipped("gateway.yaml")).unwrap()) < 8.0);
}

#[test]
fn the_balancer_of_the_compose_file_takes_its_configuration() {
    must_succeed(Command::new("haproxy").args(["-c", "-f"]).arg(shipped("balancer.cfg")));
}

/// HAProxy as the compose file has it, before gateways on this machine.
struct Balancer {
    child: std::process::Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl Balancer {
    fn before(houses: &[&House]) -> Self {
        let port = crate::support::free_port();
        let text = std::fs::read_to_string(shipped("balancer.cfg")).unwrap();
        let text = text.replace("bind :8080", &format!("bind 127.0.0.1:{port}"));
        let mut servers = String::new();
        for (index, house) in houses.iter().enumerate() {
            let (port, admin) = (house.port, house.admin);
            servers +=
                &format!("    server gateway{index} 127.0.0.1:{port} check port {admin} inter 1s fall 2 rise 1\n");
        }
        let kept = text.lines().filter(|line| !["server-template", "default-server"].contains(&first(line)));
        let text = format!("{}\n{servers}", kept.collect::<Vec<_>>().join("\n"));
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("balancer.cfg");
        std::fs::write(&file, text).unwrap();
        let child = Command::new("haproxy").arg("-db").arg("-f").arg(&file).stdout(std::process::Stdio::null()).spawn();
        Self { child: child.expect("haproxy is installed"), port, _folder: folder }
    }

    /// One request on a connection of its own.
    fn ask(&self) -> (u16, String) {
        let request = "GET /x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        let answer = crate::support::wire::exchange(self.port, request);
        (answer.status, answer.text())
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn first(line: &str) -> &str {
    line.split_whitespace().next().unwrap_or_default()
}

#[test]
fn a_gateway_that_ends_behind_a_balancer_loses_no_request() {
    let start = |name: &str| {
        let route = format!("{{match: GET /x, access: public, respond: {{status: 200, body: {name}}}}}");
        House::start(&format!("shutdown: {{notice: 5s}}\nroutes: [{route}]\n"))
    };
    let (mut one, two) = (start("one"), start("two"));
    let balancer = Balancer::before(&[&one, &two]);
    let both = || {
        std::net::TcpStream::connect(("127.0.0.1", balancer.port)).is_ok()
            && (0..8).map(|_| balancer.ask().1).collect::<std::collections::HashSet<_>>().len() == 2
    };
    let begun = Instant::now();
    while !both() {
        assert!(begun.elapsed() < Duration::from_secs(30), "the balancer asks both");
        std::thread::yield_now();
    }
    one.signal("TERM");
    std::thread::scope(|scope| {
        let gone = scope.spawn(|| one.ended());
        let mut asked = 0;
        while !gone.is_finished() {
            assert_eq!(balancer.ask().0, 200, "request {asked} after the signal");
            asked += 1;
        }
        assert_eq!(gone.join().unwrap(), Some(0));
        assert!(asked > 100, "{asked} requests went through while it ended");
    });
    assert!((0..20).all(|_| balancer.ask() == (200, "two".to_owned())));
}
