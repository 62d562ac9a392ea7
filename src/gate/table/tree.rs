//! A tree of path segments: literal before `{name}` before `**`, with a step back where a more specific branch ends
//! without an answer.
//!
//! Our own and not a radix-tree crate: those hold a name and a rest at one place only as a conflict, and the contract
//! lets `/orders/{id}` and `/orders/**` stand side by side.

use std::collections::HashMap;

use super::Segment;
use super::pattern::decoded;

/// What a path leads to.
pub struct Tree<L> {
    root: Node<L>,
}

struct Node<L> {
    literals: HashMap<Box<str>, Node<L>, foldhash::fast::RandomState>,
    named: Option<Box<Node<L>>>,
    /// The path may end here.
    end: Option<L>,
    /// The path may go on as it likes, or end here.
    rest: Option<L>,
}

impl<L> Default for Node<L> {
    fn default() -> Self {
        Self { literals: HashMap::default(), named: None, end: None, rest: None }
    }
}

impl<L> Default for Tree<L> {
    fn default() -> Self {
        Self { root: Node::default() }
    }
}

impl<L> Tree<L> {
    /// Puts `leaf` at the end of `path`, in place of what was there.
    pub fn insert(&mut self, path: &[Segment], leaf: L) {
        let mut node = &mut self.root;
        for segment in path {
            node = match segment {
                Segment::Literal(text) => node.literals.entry(decoded(text).into()).or_default(),
                Segment::Named(_) => node.named.get_or_insert_default(),
                Segment::Rest => {
                    node.rest = Some(leaf);
                    return;
                }
            };
        }
        node.end = Some(leaf);
    }

    /// The most specific leaf for a canonical `path`, and the texts of its `{name}` segments.
    pub fn find<'p>(&self, path: &'p str) -> Option<(&L, Vec<&'p str>)> {
        let mut names = Vec::new();
        let leaf = self.root.find(path.strip_prefix('/'), &mut names)?;
        Some((leaf, names))
    }
}

impl<L> Node<L> {
    /// `left` is what remains of the path; `None` at its end. As deep as the routes are, however long the path is.
    fn find<'p>(&self, left: Option<&'p str>, names: &mut Vec<&'p str>) -> Option<&L> {
        let Some(left) = left else {
            return self.end.as_ref().or(self.rest.as_ref());
        };
        // Segments are short: looking at each byte is quicker than setting out to search.
        let (segment, after) = match left.bytes().position(|byte| byte == b'/').and_then(|at| left.split_at_checked(at))
        {
            Some((segment, after)) => (segment, after.strip_prefix('/')),
            None => (left, None),
        };
        // Compared decoded: `/a%2Bb` must not slip past the route of `/a+b` to a broader one, for a server that decodes it.
        if let Some(leaf) = self.literals.get(&*decoded(segment)).and_then(|node| node.find(after, names)) {
            return Some(leaf);
        }
        if let Some(node) = self.named.as_ref().filter(|_| !segment.is_empty()) {
            names.push(segment);
            if let Some(leaf) = node.find(after, names) {
                return Some(leaf);
            }
            names.pop();
        }
        self.rest.as_ref()
    }
}
