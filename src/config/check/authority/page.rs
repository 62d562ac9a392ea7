//! `authority.pages`: how the pages for signing in look.

use crate::authority::page;
use crate::config::check::Check;
use crate::config::document::authority::Pages as Written;
use crate::config::document::read::{Named, Read};
use crate::config::node;
use crate::config::place::{At, Text};
use crate::config::plan::NamedFile;
use crate::config::plan::authority::{Logo, LogoKind, Pages};
use crate::config::problem::{Problem, Problems};

/// A logo travels with every page.
const LARGEST_LOGO: usize = 256 << 10;

pub(super) fn pages(written: &Written, check: &mut Check<'_>) -> Pages {
    Pages {
        title: written.title.as_ref().map(|at| at.value.clone()),
        logo: written.logo.as_ref().and_then(|at| logo(at, check)),
        colour: written.colour.as_ref().map(|at| at.value),
        texts: written.texts.as_ref().and_then(|at| texts(at, check)).unwrap_or_default(),
    }
}

fn logo(at: &At<String>, check: &mut Check<'_>) -> Option<Logo> {
    let Some(kind) = kind_by_name(&at.value) else {
        let cause = format!("`{}` is not the name of a picture that browsers show", at.value);
        check.add(
            Problem::at(at.place, cause).help("name a file that ends in `.svg`, `.png`, `.webp`, `.jpg` or `.jpeg`"),
        );
        return None;
    };
    let path = check.path(at);
    let contents = check.read(at, "a picture")?;
    let cause = match &contents {
        Some(contents) if contents.len() > LARGEST_LOGO => "it is larger than 256KiB, and travels with every page",
        Some(contents) if !is(kind, contents) => "its name says another kind of picture than its contents",
        Some(_) | None => {
            let file = NamedFile { path, contents: contents.unwrap_or_default() };
            return Some(Logo { file, kind });
        }
    };
    let help = "an SVG is best: small, and sharp at every size";
    check.add(Problem::at(at.place, format!("`{}` cannot be the logo: {cause}", at.value)).help(help));
    None
}

fn kind_by_name(name: &str) -> Option<LogoKind> {
    let (_, ending) = name.rsplit_once('.')?;
    match ending.to_ascii_lowercase().as_str() {
        "svg" => Some(LogoKind::Svg),
        "png" => Some(LogoKind::Png),
        "webp" => Some(LogoKind::Webp),
        "jpg" | "jpeg" => Some(LogoKind::Jpeg),
        _ => None,
    }
}

/// By the first bytes of each format.
fn is(kind: LogoKind, contents: &[u8]) -> bool {
    match kind {
        LogoKind::Svg => std::str::from_utf8(contents).is_ok_and(|text| text.contains("<svg")),
        LogoKind::Png => contents.starts_with(b"\x89PNG\r\n\x1a\n"),
        LogoKind::Webp => contents.starts_with(b"RIFF") && contents.get(8..12) == Some(b"WEBP".as_slice()),
        LogoKind::Jpeg => contents.starts_with(b"\xff\xd8\xff"),
    }
}

/// `name: text` on each line. Problems of that file are shown at the place that names it.
fn texts(at: &At<String>, check: &mut Check<'_>) -> Option<Vec<(String, String)>> {
    let contents = check.read(at, "texts")??;
    let Ok(content) = String::from_utf8(contents) else {
        let cause = format!("`{}` is not UTF-8 text", at.value);
        check.add(Problem::at(at.place, cause).help("save the file as UTF-8"));
        return None;
    };
    let text = Text::new(&at.value, content);
    let mut problems = Problems::new(text.clone());
    let root = node::parse(&text, &mut problems);
    let named = root.and_then(|root| Named::<At<String>>::read(&root, &mut problems));
    for problem in problems.iter() {
        let line = problem.place.map_or(1, |place| text.position(place).0);
        let cause = format!("`{}`, line {line}: {}", at.value, problem.cause);
        let help = problem.help.clone().unwrap_or_else(|| "write `name: text` on each line".to_owned());
        check.add(Problem::at(at.place, cause).help(help));
    }
    let named = named?.0;
    for (name, written) in &named {
        if let Err(cause) = page::check_text(&name.value, &written.value) {
            let line = text.position(name.place).0;
            let cause = format!("`{}`, line {line}: {cause}", at.value);
            let help = "`docs/pages.md` lists the names; `de:login.title` is for one language alone";
            check.add(Problem::at(at.place, cause).help(help));
        }
    }
    Some(named.into_iter().map(|(name, text)| (name.value, text.value)).collect())
}
