//! What tells most names of fields apart without a look at their letters.

/// A set of names, perhaps with others in it: a name that is not here is in no list whose names all are.
#[derive(Clone, Copy, Debug, Default)]
pub struct Marks(u64);

impl Marks {
    pub const NONE: Self = Self(0);

    /// The marks of some names in small letters.
    pub const fn of(names: &[&str]) -> Self {
        let (mut all, mut names) = (Self::NONE, names);
        while let [first, rest @ ..] = names {
            all = all.with(tag(first.as_bytes()));
            names = rest;
        }
        all
    }

    /// These and that of one more name in small letters.
    pub fn and(self, name: &[u8]) -> Self {
        self.with(tag(name))
    }

    pub(super) const fn with(self, tag: u16) -> Self {
        Self(self.0 | 1 << (tag % 64))
    }

    pub(super) fn union(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    pub(super) fn meet(self, others: Self) -> bool {
        self.0 & others.0 != 0
    }

    pub(super) fn has(self, tag: u16) -> bool {
        self.0 & 1 << (tag % 64) != 0
    }
}

/// Names in small letters that are looked for together.
#[derive(Clone, Debug, Default)]
pub struct Names {
    marks: Marks,
    /// Each with its tag, by which nearly all are told apart.
    all: Vec<(u16, Box<[u8]>)>,
}

impl Names {
    pub fn add(&mut self, name: &[u8]) {
        let tag = tag(name);
        self.marks = self.marks.with(tag);
        self.all.push((tag, name.into()));
    }

    pub fn has(&self, name: &[u8]) -> bool {
        let tag = tag(name);
        self.all.iter().any(|(own, known)| *own == tag && **known == *name)
    }

    pub(super) fn marks(&self) -> Marks {
        self.marks
    }
}

/// What a name says of itself at a glance: its length, its first letter and its last.
pub(super) const fn tag(name: &[u8]) -> u16 {
    let (first, last) = match name {
        [] => (0, 0),
        [only] => (*only, *only),
        [first, .., last] => (*first, *last),
    };
    (name.len() as u16).wrapping_mul(5) ^ first as u16 ^ (last as u16).wrapping_mul(7)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_among_the_marks_it_was_put_in() {
        let names = ["", "a", "host", "x-forwarded-for", "accept"];
        let all = names.iter().fold(Marks::NONE, |all, name| all.and(name.as_bytes()));
        for name in names {
            assert!(all.has(tag(name.as_bytes())) && Marks::of(&names).has(tag(name.as_bytes())), "{name}");
        }
        let mut list = Names::default();
        names.iter().for_each(|name| list.add(name.as_bytes()));
        assert!(names.iter().all(|name| list.has(name.as_bytes())) && !list.has(b"b") && !list.has(b"tsoh"));
        assert!(!Marks::NONE.has(tag(b"host")) && !Marks::of(&["host"]).has(tag(b"accept")));
    }
}
