//! `portcullis export` and `portcullis import`: clients and users on their way to another store.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::office;
use crate::authority::administration::{Export, Refused};

/// Prints everything that commands made: sorted, without clear secrets, the same for the same store.
pub fn export(file: PathBuf) -> ExitCode {
    office::run(&file, async |office| {
        let (export, left_out) = office.administration.export().await?;
        let text = serde_json::to_string_pretty(&export);
        say!("{}", text.map_err(|cause| Refused::Wish(format!("the export cannot be written: {cause}")))?);
        for what in left_out {
            complain!("left out: {what}");
        }
        Ok(())
    })
}

/// What wrote the text that is brought in.
#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
pub enum From {
    /// `portcullis export`.
    #[default]
    Portcullis,
    /// A service on node-oauth2-server, as docs/from-express-oauth-server.md says.
    NodeOauth2Server,
}

/// Brings clients and users in, or says what that would change.
pub fn import(path: &Path, from: From, dry_run: bool, file: PathBuf) -> ExitCode {
    office::run(&file, async |office| {
        let text = text(path)?;
        let changes = match from {
            From::Portcullis => {
                if text.starts_with("{\"portcullis\":") {
                    let hint = "is a whole store, which `portcullis import --all` reads";
                    return Err(Refused::Wish(format!("`{}` {hint}", path.display())));
                }
                let export: Export = serde_json::from_str(&text)
                    .map_err(|cause| Refused::Wish(format!("`{}` is not an export: {cause}", path.display())))?;
                office.administration.import(&export, dry_run).await?
            }
            From::NodeOauth2Server => {
                let brought = office.administration.import_from_node(&text, dry_run).await?;
                for note in brought.notes {
                    complain!("note: {note}");
                }
                brought.changes
            }
        };
        for change in changes {
            say!("{change}");
        }
        if dry_run {
            complain!("nothing was changed (--dry-run)");
        }
        Ok(())
    })
}

fn text(from: &Path) -> Result<String, Refused> {
    let mut text = String::new();
    let read = if from.as_os_str() == "-" {
        std::io::stdin().read_to_string(&mut text)
    } else {
        std::fs::File::open(from).and_then(|mut file| file.read_to_string(&mut text))
    };
    read.map_err(|cause| Refused::Wish(format!("`{}` cannot be read: {cause}", from.display())))?;
    Ok(text)
}
