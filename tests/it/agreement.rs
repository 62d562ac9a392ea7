//! `test`, `explain` and `run` agree, for files and requests of chance.

use portcullis::app::rehearsal::{Rehearsal, on_its_own, tests};
use portcullis::config::plan::test::{Call, Described, Token};
use portcullis::config::{self, Files};
use serde_json::json;

use crate::support::Issuer;
use crate::support::house::Plot;

/// A file of chance: routes that overlap, rules of all kinds.
fn file_of_chance(dice: &mut fastrand::Rng, issuer: &str) -> String {
    let mut routes = std::collections::BTreeMap::new();
    let scope = |dice: &mut fastrand::Rng| ["a", "b", "c"][dice.usize(..3)];
    for _ in 0..dice.usize(3..12) {
        let method = ["GET", "POST", "GET,DELETE", "*"][dice.usize(..4)];
        let path: String = (0..dice.usize(1..4))
            .map(|at| [format!("/s{at}"), "/x".to_owned(), format!("/{{n{at}}}")][dice.usize(..3)].clone())
            .collect();
        let rest = ["", "/**"][dice.usize(..2)];
        let access = match dice.usize(..7) {
            0 => "public".to_owned(),
            1 => "authenticated".to_owned(),
            2 => format!("{{scope: {}}}", scope(dice)),
            3 => format!("{{scope: {{any: [{}, d]}}, role: clerk}}", scope(dice)),
            4 => "{role: {any: [clerk, chief]}}".to_owned(),
            5 => "{when: \"token.claims.level > 2\"}".to_owned(),
            _ => format!("{{scope: {}, when: \"request.method == 'GET'\"}}", scope(dice)),
        };
        let shape =
            path.split('/').map(|part| if part.starts_with('{') { "{}" } else { part }).collect::<Vec<_>>().join("/");
        // One route for each path: ties are another test's business.
        routes.insert(
            format!("{shape}{rest}"),
            format!("  - {{match: \"{method} {path}{rest}\", access: {access}, respond: echo}}\n"),
        );
    }
    let routes: String = routes.into_values().collect();
    // An issuer whose tokens no route takes is a problem of the file.
    let always = "  - {match: GET /always, access: authenticated, respond: echo}\n";
    format!("issuers: {{corp: {{url: \"{issuer}\", audience: \"https://api.test\"}}}}\nroutes:\n{always}{routes}")
}

fn call_of_chance(dice: &mut fastrand::Rng) -> Call {
    let path: String = (0..dice.usize(1..5))
        .map(|at| [format!("/s{at}"), "/x".to_owned(), "/y".to_owned(), "/".to_owned()][dice.usize(..4)].clone())
        .collect();
    let some = |dice: &mut fastrand::Rng, names: &[&str]| {
        names.iter().filter(|_| dice.bool()).map(|name| (*name).to_owned()).collect::<Vec<_>>()
    };
    let token = if dice.u8(..4) == 0 {
        Token::None
    } else {
        let claims = json!({ "level": dice.u8(..5) }).as_object().unwrap().clone();
        Token::Described(Box::new(Described {
            scopes: some(dice, &["a", "b", "c", "d"]),
            roles: some(dice, &["clerk", "chief"]),
            claims,
            ..Described::default()
        }))
    };
    let method = ["GET", "HEAD", "POST", "DELETE", "PUT"][dice.usize(..5)].parse().unwrap();
    let from = std::net::Ipv4Addr::LOCALHOST.into();
    Call {
        method,
        host: Some("localhost".to_owned()),
        target: path,
        token,
        from,
        headers: Vec::new(),
        body: None,
        at: None,
    }
}

/// `test`, `explain` and `run` come to the same decision about requests and files of chance. More of them:
/// `PORTCULLIS_CALLS=100000`.
#[test]
fn tests_explanations_and_the_running_gateway_agree() {
    let calls: usize = std::env::var("PORTCULLIS_CALLS").map_or(600, |calls| calls.parse().unwrap());
    let issuer = Issuer::start();
    let mut dice = fastrand::Rng::with_seed(7);
    let plot = Plot::new();
    let yaml = plot.yaml(&file_of_chance(&mut dice, &issuer.url()));
    let house = plot.start(&yaml);
    let of_a_file = 200;
    for _ in 0..calls.div_ceil(of_a_file) {
        let yaml = {
            let old = std::fs::read_to_string(house.path("gateway.yaml")).unwrap();
            let head = old.split("issuers:").next().unwrap().to_owned();
            head + &file_of_chance(&mut dice, &issuer.url())
        };
        house.rewrite(&yaml);
        assert_eq!(house.reload().status, 200, "{yaml}");
        let plan = config::load(&house.path("gateway.yaml"), &Files).unwrap_or_else(|problems| panic!("{problems}"));
        let all: Vec<Call> = (0..of_a_file).map(|_| call_of_chance(&mut dice)).collect();
        let told = on_its_own(async || {
            let rehearsal = Rehearsal::staged(&plan)?;
            let mut told = Vec::new();
            for call in &all {
                told.push(rehearsal.call(call, None).await?);
            }
            Ok(told)
        });
        let mut wire = house.wire();
        for (call, told) in all.iter().zip(told.unwrap()) {
            let token = match &call.token {
                Token::Described(described) => {
                    let token = issuer.token_with(|claims| {
                        claims["scope"] = json!(described.scopes.join(" "));
                        claims["roles"] = json!(described.roles);
                        claims["level"] = described.claims["level"].clone();
                    });
                    format!("Authorization: Bearer {token}\r\n")
                }
                Token::None | Token::Given(_) => String::new(),
            };
            let lines = format!(
                "{} {} HTTP/1.1\r\nHost: localhost\r\n{token}Content-Length: 0\r\n\r\n",
                call.method, call.target
            );
            wire.send(lines.as_bytes());
            let answer = wire.answer_to(call.method == "HEAD");
            if answer.header("connection") == "close" {
                wire = house.wire();
            }
            let outcome = tests::outcome(&told).to_string();
            let code = told.explanation.code.clone().unwrap_or_default();
            let ran = if answer.status == 200 {
                "allow".to_owned()
            } else if call.method == "HEAD" {
                format!("deny {code}")
            } else {
                format!("deny {}", answer.code())
            };
            assert_eq!((ran, answer.status), (outcome, told.status.as_u16()), "{call:?}\n{yaml}");
            // What is explained is what was decided: the one step that refuses is where the walk ended.
            let refused = told
                .explanation
                .steps
                .iter()
                .filter(|step| step.outcome == portcullis::observe::explanation::Outcome::Refused)
                .count();
            assert_eq!(refused, usize::from(answer.status != 200), "{:#?}", told.explanation);
        }
    }
}
