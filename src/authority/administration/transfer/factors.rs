//! Second factors that come from another store. One that cannot be opened here could never be checked, and its user never
//! sign in again; so it is seen before anything is kept.

use base64_simd::STANDARD;

use super::ExportedUser;
use crate::authority::administration::OLD_KEY;
use crate::authority::prove::totp_context;
use crate::authority::sealing::{SealFault, Sealer};

/// So many users are named; the others are counted.
const NAMED: usize = 10;

/// A problem for each reason why second factors cannot be opened, with the users whose they are. What is no base64 is not
/// looked at: it is refused elsewhere.
pub(super) fn unopened(sealer: &Sealer, users: &[ExportedUser]) -> Vec<String> {
    let mut found: Vec<(SealFault, Vec<&str>)> = Vec::new();
    for user in users {
        let kept = user.second_factor.as_ref().and_then(|text| STANDARD.decode_to_vec(text).ok());
        let Some(Err(fault)) = kept.map(|kept| sealer.open(&totp_context(&user.id), &kept)) else { continue };
        match found.iter_mut().find(|(known, _)| *known == fault) {
            Some((_, names)) => names.push(&user.name),
            None => found.push((fault, vec![&user.name])),
        }
    }
    found.into_iter().map(|(fault, names)| problem(fault, &names)).collect()
}

fn problem(fault: SealFault, names: &[&str]) -> String {
    let remedy = match fault {
        SealFault::NoKey | SealFault::OtherKey => OLD_KEY,
        SealFault::Damaged => "export again and leave each `id` as it is (a second factor is sealed for it)",
    };
    let of = if names.len() == 1 { "user" } else { "users" };
    format!(
        "the second factor of {of} {} cannot be opened here, so that nobody could sign in by it: {fault}; {remedy}, or take \
         `second_factor` and `recovery` of these users out of the export: their passwords alone are asked for until they set \
         up another one",
        listed(names)
    )
}

fn listed(names: &[&str]) -> String {
    let named: Vec<String> = names.iter().take(NAMED).map(|name| format!("`{name}`")).collect();
    let more = names.len() - named.len();
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{rest}", named.join(", "))
}
