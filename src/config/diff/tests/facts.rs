//! What opens beside the access of routes, from one file to another.

use std::path::Path;

use super::*;
use crate::config::source::Memory;
use crate::config::{Problems, load};

/// What an issuer and a route add to the file.
fn model_of(issuer: &str, route: &str) -> Model {
    let text = format!(
        "version: 1\nlisten: [{{address: \"127.0.0.1:8080\"}}]\nissuers:\n  corp: {{url: https://id.example, audience: api{issuer}}}\n\
         upstreams:\n  api: {{servers: [http://127.0.0.1:9000]}}\nroutes:\n  - {{match: GET /a, access: authenticated, upstream: api{route}}}\n"
    );
    let source = Memory::default().with("gateway.yaml", text).with("secret", "Nn3mNcHn1nX7r1Zq0pU0cQ");
    let plan = load(Path::new("gateway.yaml"), &source);
    Model::of(&plan.map_err(|problems: Problems| problems.render(false)).unwrap())
}

fn told(old: &Model, new: &Model) -> Vec<(Kind, String)> {
    super::diff(old, new).unwrap().changes.into_iter().map(|change| (change.kind, change.sentence)).collect()
}

/// From `before` to `now` is `there`, and the way back is `back`.
fn check([before, now]: [Model; 2], there: (Kind, &str), back: (Kind, &str)) {
    for (found, (kind, part)) in [(told(&before, &now), there), (told(&now, &before), back)] {
        assert!(!found.is_empty(), "{kind:?} {part}");
        assert!(
            found.iter().all(|(own, sentence)| *own == kind && sentence.contains(part)),
            "{kind:?} {part}: {found:?}"
        );
    }
}

fn of_issuer(before: &str, now: &str, there: (Kind, &str), back: (Kind, &str)) {
    check([model_of(before, ""), model_of(now, "")], there, back);
}

fn of_route(before: &str, now: &str, there: (Kind, &str), back: (Kind, &str)) {
    check([model_of("", before), model_of("", now)], there, back);
}

#[test]
fn another_proof_of_an_issuers_tokens_opens_and_a_narrower_one_closes() {
    let proof = (Kind::Opens, "proved in another way");
    of_issuer("", ", keys: {url: https://id.example/keys}", proof, proof);
    of_issuer(", keys: {url: https://id.example/keys}", ", keys: {url: https://other.example/keys}", proof, proof);
    let asked =
        |url: &str| format!(", introspection: {{url: {url}, client_id: gate, client_secret: {{file: secret}}}}");
    of_issuer(&asked("https://id.example/a"), &asked("https://id.example/b"), proof, proof);
    let signs = |kind| (kind, "may sign by `RS256`");
    of_issuer(", algorithms: [ES256]", ", algorithms: [ES256, RS256]", signs(Kind::Opens), signs(Kind::Closes));
    let types = |kind| (kind, "the type `jwt`");
    of_issuer(", types: [at+jwt]", ", types: [at+jwt, JWT]", types(Kind::Opens), types(Kind::Closes));
    let while_ = |kind| (kind, "another while");
    of_issuer("", ", leeway: 60s", while_(Kind::Opens), while_(Kind::Closes));
    let places = (Kind::Opens, "other places");
    of_issuer("", ", claims: {roles: realm_access.roles}", places, places);
    let believed = (Kind::Changes, "believed otherwise");
    of_issuer("", ", stale_for: 1h", believed, believed);
}

#[test]
fn what_a_route_lets_in_beside_its_requests_opens_and_closes() {
    let word = |kind, text| (kind, text);
    let both = |text| (word(Kind::Opens, text), word(Kind::Closes, text));
    let (there, back) = both("lets in WebSockets");
    of_route(", websocket: false", "", there, back);
    let (there, back) = both("token has ended");
    let outlives = ", danger_websocket_outlives_token: true";
    of_route("", outlives, there, back);
    let cors = |more: &str| format!(", cors: {{origins: [https://app.example]{more}}}");
    let (there, back) = both("the method `PUT`");
    of_route(&cors(", methods: [GET]"), &cors(", methods: [GET, PUT]"), there, back);
    let (there, back) = both("the header `x-a`");
    of_route(&cors(", headers: [x-b]"), &cors(", headers: [x-a, x-b]"), there, back);
    let (there, back) = both("web pages of `https://b.example`");
    of_route(&cors(""), ", cors: {origins: [https://app.example, https://b.example]}", there, back);
    let (there, back) = both("cookies");
    of_route(&cors(""), &cors(", credentials: true"), there, back);
}

#[test]
fn a_rule_that_is_only_observed_opens_and_other_facts_of_a_route_are_changes() {
    of_route(
        "",
        ", danger_only_observe: true",
        (Kind::Opens, "anyone, without a token, may now GET /a"),
        (Kind::Closes, "may no longer GET /a"),
    );
    let timeout = (Kind::Changes, "another `timeout`");
    of_route("", ", timeout: {response: 7s}", timeout, timeout);
    let headers = (Kind::Changes, "another `headers`");
    of_route("", ", headers: {set: {X-Frame-Options: DENY}}", headers, headers);
}

#[test]
fn every_origin_covers_each_one() {
    let any = model_of("", ", cors: {origins: '*', methods: [GET]}");
    let one = model_of("", ", cors: {origins: [https://app.example], methods: [GET]}");
    // Calls and WebSockets.
    assert_eq!(told(&one, &any).iter().map(|(kind, _)| *kind).collect::<Vec<_>>(), [Kind::Opens; 2]);
    assert_eq!(told(&any, &one).iter().map(|(kind, _)| *kind).collect::<Vec<_>>(), [Kind::Closes; 2]);
}

#[test]
fn without_cors_the_web_pages_of_every_origin_may_open_websockets() {
    let told = |before: &str, now: &str| told(&model_of("", before), &model_of("", now));
    let cors = ", cors: {origins: [https://app.example], methods: [GET]}";
    let any = "GET /a now lets in WebSockets of web pages of `*`".to_owned();
    assert!(told(cors, "").contains(&(Kind::Opens, any.clone())), "{:?}", told(cors, ""));
    assert!(!told("", cors).contains(&(Kind::Opens, any)), "{:?}", told("", cors));
    let off = ", websocket: false";
    assert!(!told(&format!("{cors}{off}"), off).iter().any(|(kind, _)| *kind == Kind::Opens), "there are none");
}

#[test]
fn a_name_that_moves_to_another_segment_makes_its_condition_another_one() {
    let at = |path: &str, when: &str| {
        let text = format!(
            "version: 1\nlisten: [{{address: \"127.0.0.1:8080\"}}]\nissuers:\n  corp: {{url: https://id.example, audience: api}}\n\
             routes:\n  - {{match: \"GET {path}\", access: {{when: {when}}}, respond: echo}}\n"
        );
        let plan = load(Path::new("gateway.yaml"), &Memory::default().with("gateway.yaml", text));
        Model::of(&plan.map_err(|problems: Problems| problems.render(false)).unwrap())
    };
    let kinds = |old: &Model, new: &Model| told(old, new).into_iter().map(|(kind, _)| kind).collect::<Vec<_>>();
    let own = "token.subject == path.user";
    let moved = [at("/{user}/{item}", own), at("/{item}/{user}", own)];
    assert_eq!(kinds(&moved[0], &moved[1]), [Kind::Opens, Kind::Closes]);
    assert_eq!(kinds(&at("/{user}/{item}", own), &at("/{user}/{other}", own)), [], "it reads the other nowhere");
    let else_ = "token.subject == request.host";
    assert_eq!(kinds(&at("/{user}/{item}", else_), &at("/{item}/{user}", else_)), []);
}
