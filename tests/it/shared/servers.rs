//! Every way in which Redis can stand: with TLS and access lists, behind sentinels, as a cluster.

use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, KeyPair};

use super::{gateway, state, wait_for_state};
use crate::support::house::Plot;
use crate::support::{House, Redis, free_port};

/// Everything that a gateway needs to be allowed; the list of docs/shared-limits.md.
const ALLOWED: &str = "+hello +auth +ping +select +evalsha +eval +time +get +set +del +hget +hset +hmget \
                       +hincrby +pexpire +zadd +zremrangebyscore +zcard";

/// As many as the limit of 20 a minute allows, on however many gateways.
fn check_counts_together(houses: &[&House]) {
    let passed = houses.iter().map(|house| (0..20).filter(|_| house.get("/few").status == 204).count()).sum::<usize>();
    assert_eq!(passed, 20);
    assert!(houses.iter().all(|house| house.get("/fast").status == 204));
}

#[test]
fn tls_with_own_authorities_client_certificates_and_an_access_list() {
    let authority_key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_pem = authority.self_signed(&authority_key).unwrap().pem();
    let issuer = rcgen::Issuer::new(authority, authority_key);
    let pair = |name: &str| {
        let key = KeyPair::generate().unwrap();
        let mut parts = CertificateParams::new(vec![name.to_owned()]).unwrap();
        // Another name than the authority's: who is called the same would look like the authority.
        parts.distinguished_name.push(DnType::CommonName, name);
        let certificate = parts.signed_by(&key, &issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    };
    let files = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = files.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (server, server_key) = pair("127.0.0.1");
    let (client, client_key) = pair("gateway");
    let ca = write("ca.pem", &authority_pem);
    let (server, server_key) = (write("server.pem", &server), write("server.key", &server_key));
    let (client, client_key) = (write("client.pem", &client), write("client.key", &client_key));
    let port = free_port();
    let user = format!("user gateway on >pass#word ~shop:* resetchannels -@all {ALLOWED}\nuser default off\n");
    let users = write("users.acl", &user);
    let tls_port = port.to_string();
    let arguments = [
        "--tls-port",
        &tls_port,
        "--port",
        "0",
        "--tls-cert-file",
        &server,
        "--tls-key-file",
        &server_key,
        "--tls-ca-cert-file",
        &ca,
        "--tls-auth-clients",
        "yes",
        "--aclfile",
        &users,
    ];
    let _redis = Redis::on(port, &arguments);
    let tls = format!("tls: {{ca: \"{ca}\", certificate: \"{client}\", key: \"{client_key}\"}}, fleet: shop");
    let login = format!("rediss://gateway:pass%23word@127.0.0.1:{port}");
    let houses = [gateway(&login, &format!(", {tls}")), gateway(&login, &format!(", {tls}"))];
    houses.iter().for_each(|house| wait_for_state(house, "up"));
    check_counts_together(&houses.each_ref());

    for (what, address, more) in [
        ("a wrong password", format!("rediss://gateway:wrong@127.0.0.1:{port}"), tls.clone()),
        ("no certificate", login.clone(), format!("tls: {{ca: \"{ca}\"}}, fleet: shop")),
        ("authorities that do not know it", login.clone(), "fleet: shop".to_owned()),
        ("a name that the certificate is not for", login.replace("127.0.0.1", "localhost"), tls.clone()),
        ("keys that the list does not open", login.clone(), tls.replace("shop", "other")),
    ] {
        let house = gateway(&address, &format!(", {more}"));
        house.event("Redis is away");
        assert_eq!(state(&house), "down", "{what}");
        assert_eq!((house.mentions("pass#word"), house.mentions("pass%23word")), (0, 0), "{what}");
    }
}

#[test]
fn behind_sentinels_the_next_master_is_followed() {
    let mut master = Redis::start();
    let master_port = master.port.to_string();
    let replica = Redis::with(&["--replicaof", "127.0.0.1", &master_port, "--repl-diskless-sync-delay", "0"]);
    wait_for(|| replica.ask("INFO replication").contains("master_link_status:up"));
    let sentinel = Redis::sentinel(&format!(
        "sentinel monitor main 127.0.0.1 {master_port} 1\nsentinel down-after-milliseconds main 300\n\
             sentinel failover-timeout main 3000\n"
    ));
    wait_for(|| sentinel.ask("SENTINEL replicas main").contains("slave") && known_replica(&sentinel, replica.port));
    let address = format!("redis+sentinel://127.0.0.1:{}/main", sentinel.port);
    let houses = [gateway(&address, ""), gateway(&address, "")];
    houses.iter().for_each(|house| wait_for_state(house, "up"));
    check_counts_together(&houses.each_ref());
    master.stop();
    wait_for(|| replica.ask("ROLE").contains("master"));
    for house in &houses {
        house.wait_for_metric("portcullis_shared_connections_total", &[], |made| made >= 2.0);
        wait_for_state(house, "up");
        assert_eq!(house.get("/shy").status, 204);
    }
    wait_for(|| !["", ":0"].contains(&replica.ask("DBSIZE").trim()));
}

fn known_replica(sentinel: &Redis, port: u16) -> bool {
    let replicas = sentinel.ask("SENTINEL replicas main");
    replicas.contains(&port.to_string()) && !replicas.contains("s_down") && !replicas.contains("disconnected")
}

#[test]
fn a_cluster_counts_wherever_the_keys_lie() {
    let nodes: Vec<Redis> = (0..3)
        .map(|_| {
            let bus = free_port().to_string();
            Redis::with(&["--cluster-enabled", "yes", "--cluster-port", &bus, "--cluster-node-timeout", "2000"])
        })
        .collect();
    for (node, slots) in nodes.iter().zip(["0 5460", "5461 10922", "10923 16383"]) {
        assert!(node.ask(&format!("CLUSTER ADDSLOTSRANGE {slots}")).starts_with("+OK"));
    }
    for node in &nodes[1..] {
        let bus = node.argument("--cluster-port");
        assert!(nodes[0].ask(&format!("CLUSTER MEET 127.0.0.1 {} {bus}", node.port)).starts_with("+OK"));
    }
    wait_for(|| nodes.iter().all(|node| node.ask("CLUSTER INFO").contains("cluster_state:ok")));
    wait_for(|| nodes.iter().all(|node| node.ask("CLUSTER INFO").contains("cluster_known_nodes:3")));
    let address = format!("redis+cluster://127.0.0.1:{},127.0.0.1:{}", nodes[0].port, nodes[1].port);
    let plot = Plot::new();
    plot.write("redis-url", &address);
    let yaml = plot.yaml(
        "shared: {redis: {file: redis-url}}\nroutes:\n  - {name: t, match: GET /t, access: public, respond: {status: 204}, \
         limit: {rate: 2/m, per: \"header:X-Tenant\"}}\n",
    );
    let tenants = plot.start(&yaml);
    let houses = [gateway(&address, ""), gateway(&address, "")];
    houses.iter().chain([&tenants]).for_each(|house| wait_for_state(house, "up"));
    check_counts_together(&houses.each_ref());
    for tenant in 0..40 {
        let answers = (0..3).map(|_| tenants.call("GET", "/t", &format!("X-Tenant: {tenant}\r\n")).status);
        assert_eq!(answers.collect::<Vec<_>>(), [204, 204, 429], "tenant {tenant}");
    }
    let sizes: Vec<String> = nodes.iter().map(|node| node.ask("DBSIZE").trim().to_owned()).collect();
    assert!(sizes.iter().all(|size| size != ":0"), "keys lie everywhere: {sizes:?}");
    assert_eq!(tenants.metric("portcullis_shared_fallbacks_total", &[]), 0.0);
}

fn wait_for(holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(30), "it never comes");
        std::thread::yield_now();
    }
}
