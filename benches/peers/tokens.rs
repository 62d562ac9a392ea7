//! Tokens that a question needs beside those of the scene: such as nobody has seen yet, opaque ones, and very many.

use std::fs::File;
use std::io::{BufWriter, Write as _};

use portcullis::token::jwt::Algorithm;
use portcullis::token::jwt::sign::{Signer, generate_pkcs8};
use serde_json::json;

use crate::Stage;
use crate::scene::claims;
use crate::support::{self, Running, free_port, here, pinned, portcullis, wait_for};

/// For a round of the question about cold ones: more than a server can answer in it.
pub const FRESH: usize = 24_000;
const OPAQUE: usize = 10_000;
/// Signed by each thread between two writes.
const PIECE: usize = 10_000;

/// Of the issuer that everybody knows, in `fresh-0` and so on, another file for each round.
pub fn fresh(rounds: usize, stage: &Stage) {
    let folder = stage.scene.folder.path();
    let pkcs8 = std::fs::read(folder.join("issuer.pkcs8")).expect("the scene has written it");
    let signer = Signer::from_pkcs8(Algorithm::Rs256, &pkcs8).expect("the scene's key");
    for round in 0..rounds {
        // Behind those of the scene, which have been seen.
        write(&signer, &folder.join(format!("fresh-{round}")), 1_000_000 + round * FRESH, FRESH);
    }
}

/// `count` of an issuer whose signatures take less time, in `grown`, and its key in `grown.json`.
pub fn grown(count: usize, stage: &Stage) {
    let folder = stage.scene.folder.path();
    let pkcs8 = generate_pkcs8(Algorithm::EdDsa).expect("a key");
    let signer = Signer::from_pkcs8(Algorithm::EdDsa, &pkcs8).expect("the same key");
    let keys = json!({ "keys": [signer.public_jwk()] }).to_string();
    std::fs::write(folder.join("grown.json"), keys).expect("the temporary folder can be written");
    write(&signer, &folder.join("grown"), 0, count);
}

/// One a line, signed by two threads.
fn write(signer: &Signer, path: &std::path::Path, first: usize, count: usize) {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock").as_secs();
    let mut file = BufWriter::new(File::create(path).expect("the temporary folder can be written"));
    let piece = |from: usize| {
        let token = |number| signer.sign("at+jwt", &claims(number, now)).expect("a token") + "\n";
        (from..(from + PIECE).min(first + count)).map(token).collect::<String>()
    };
    for from in (first..first + count).step_by(2 * PIECE) {
        let (one, other) = std::thread::scope(|scope| {
            let one = scope.spawn(|| piece(from));
            (piece(from + PIECE), one.join().expect("it signs"))
        });
        file.write_all((other + &one).as_bytes()).expect("the temporary folder has room");
    }
    file.flush().expect("the temporary folder has room");
}

/// Starts an authorization server, another one of ours, that gives out opaque tokens and is asked about them; writes them to
/// `opaque`.
pub fn opaque(stage: &Stage) -> Running {
    let folder = stage.scene.folder.path();
    let text = std::fs::read_to_string(here("benches/peers/configs/authority.yaml")).expect("it is there");
    let text = text.replace("@ASK@", &stage.ask.to_string()).replace("@ADMIN@", &free_port().to_string());
    let (file, log) = (folder.join("authority.yaml"), File::create(folder.join("authority.out")).expect("a file"));
    std::fs::write(&file, text).expect("the temporary folder can be written");
    std::fs::write(folder.join("bench-secret"), "bench-secret").expect("the temporary folder can be written");
    let mut command = pinned(Some(0), portcullis());
    command.args(["run", "--workers", "1"]).arg(&file).current_dir(folder);
    command.stdout(log.try_clone().expect("a file")).stderr(log);
    let running = Running::start("authority", &mut command);
    wait_for(stage.ask);
    let tokens: Vec<String> = (0..OPAQUE).map(|_| support::token(stage.ask)).collect();
    std::fs::write(folder.join("opaque"), tokens.join("\n")).expect("the temporary folder can be written");
    running
}
