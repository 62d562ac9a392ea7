//! Who of the file is who of the store: whose `subject` is written is known by it, under whichever name, and anybody else by
//! the name. Decided at once for all, because users may take over each other's names.

use std::collections::{HashMap, HashSet};

use super::{FileUser, Origin, folded};

/// A user of the store, as far as it says who that is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::store) struct Known {
    pub id: String,
    pub name: String,
    pub origin: Origin,
}

/// What the file makes of the users of the store; to be done in this order.
#[derive(Debug, Default)]
pub(in crate::store) struct Matched {
    /// Whom the file names no more, by name.
    pub gone: Vec<Known>,
    /// Who gets another name, with that one. A name may be free only once somebody else of these has lost it.
    pub renamed: Vec<(Known, String)>,
    /// Who stays, by id, and what the file says of them.
    pub stay: Vec<(String, FileUser)>,
    pub new: Vec<FileUser>,
    /// Names that belong to users whom a command made. Who has the subject of such an entry stays under the old name.
    pub conflicts: Vec<String>,
}

/// `known` has all users of the file, and those of commands whose names stand in it.
pub(in crate::store) fn matched(known: Vec<Known>, users: Vec<FileUser>) -> Matched {
    let (filed, others): (Vec<Known>, Vec<Known>) = known.into_iter().partition(|user| user.origin == Origin::File);
    let (pairs, gone) = pairs(filed, users);
    let taken = taken(&others, &pairs);
    let mut matched = Matched { gone, ..Matched::default() };
    for (mut written, before) in pairs {
        let is_taken = gets_name(&written, before.as_ref()) && taken.contains(&folded(&written.name));
        if is_taken {
            matched.conflicts.push(written.name.clone());
        }
        match before {
            Some(before) => {
                let id = before.id.clone();
                if is_taken {
                    written.name = before.name;
                } else if gets_name(&written, Some(&before)) {
                    matched.renamed.push((before, written.name.clone()));
                }
                matched.stay.push((id, written));
            }
            None if is_taken => {}
            None => matched.new.push(written),
        }
    }
    matched
}

/// An entry of the file, with the user who is meant by it.
type Pair = (FileUser, Option<Known>);

/// Each entry with whom it means, and who is left.
fn pairs(filed: Vec<Known>, users: Vec<FileUser>) -> (Vec<Pair>, Vec<Known>) {
    let written: HashSet<String> = users.iter().filter(|user| user.id_is_written).map(|user| user.id.clone()).collect();
    // Somebody else's subject is never found by a name: with it would go what they alone may have.
    let names = filed.iter().filter(|user| !written.contains(&user.id));
    let names: HashMap<String, String> = names.map(|user| (folded(&user.name), user.id.clone())).collect();
    let mut left: HashMap<String, Known> = filed.into_iter().map(|user| (user.id.clone(), user)).collect();
    let mut meant = |user: &FileUser| {
        let id = if user.id_is_written { Some(&user.id) } else { names.get(&folded(&user.name)) };
        id.and_then(|id| left.remove(id))
    };
    let pairs = users.into_iter().map(|user| (meant(&user), user)).map(|(known, user)| (user, known)).collect();
    let mut gone: Vec<Known> = left.into_values().collect();
    gone.sort_by_key(|user| folded(&user.name));
    (pairs, gone)
}

/// The names that nobody can get: those of `others`, and those of who therefore keeps a name that somebody else wants.
fn taken(others: &[Known], pairs: &[Pair]) -> HashSet<String> {
    let mut taken: HashSet<String> = others.iter().map(|user| folded(&user.name)).collect();
    loop {
        let before = taken.len();
        for (written, known) in pairs {
            if let Some(known) = known
                && gets_name(written, Some(known))
                && taken.contains(&folded(&written.name))
            {
                taken.insert(folded(&known.name));
            }
        }
        if taken.len() == before {
            return taken;
        }
    }
}

fn gets_name(written: &FileUser, before: Option<&Known>) -> bool {
    before.is_none_or(|before| folded(&before.name) != folded(&written.name))
}
