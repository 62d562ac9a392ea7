//! All requests there are, in classes that the routes of one or two files cannot tell apart.
//!
//! A class is a host (one that some route names, one below a wildcard, or any other), a path (each segment a literal that some
//! route names, or any other) and a method (one that some route names, or any other). For each class one sample is looked up
//! in the very table that serves requests. Where two files have the same routes below a path, nothing below it can differ, and
//! it is not walked.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use http::Method;

use super::model::{Model, Route};
use crate::gate::table::{Found, HostPattern, Methods, Pattern, Segment, Table};

/// Classes that are looked at, at most; more come only of files made for it.
const MOST: usize = 2_000_000;
/// A segment that no route names.
const OTHER_SEGMENT: &str = "~any";
/// A host that no route names.
const OTHER_HOST: &str = "any.invalid";

/// The routes of one file.
pub struct Space {
    patterns: Vec<Pattern>,
    table: Table<usize>,
    nodes: Vec<Node>,
}

#[derive(Default)]
struct Node {
    literals: BTreeMap<String, usize>,
    named: Option<usize>,
    ends: Vec<usize>,
    rests: Vec<usize>,
    /// Of all that is here and below.
    digest: u64,
}

/// Requests that no route tells apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Class {
    /// `None`: a host that no route names.
    pub host: Option<String>,
    /// As a pattern: `/orders/{any}`, `/orders/{any}/**`.
    pub path: String,
    /// `None`: a method that no route names here.
    pub method: Option<String>,
    /// The methods that routes name here.
    pub named: Vec<String>,
}

/// What two files do with a class: positions of routes.
pub type Both = [Option<usize>; 2];

impl Space {
    /// The error says which route cannot be read; a checked file has none.
    pub fn of(model: &Model, same: impl Fn(&Route) -> u64) -> Result<Self, String> {
        let read =
            |route: &Route| Pattern::parse(&route.pattern).map_err(|fault| format!("{}: {fault}", route.pattern));
        let patterns: Vec<Pattern> = model.routes.iter().map(read).collect::<Result<_, _>>()?;
        let entries = patterns.iter().enumerate().map(|(index, pattern)| (vec![pattern.clone()], index)).collect();
        let table = Table::build(entries).map_err(|_| "two routes match the same requests".to_owned())?;
        let mut space = Self { patterns, table, nodes: vec![Node::default()] };
        for index in 0..space.patterns.len() {
            space.plant(index);
        }
        let digests: Vec<u64> = model
            .routes
            .iter()
            .zip(&space.patterns)
            .map(|(route, pattern)| {
                let mut hasher = DefaultHasher::new();
                (pattern.to_string(), same(route)).hash(&mut hasher);
                hasher.finish()
            })
            .collect();
        // Children stand behind their parents.
        for node in (0..space.nodes.len()).rev() {
            let digest = space.digest(node, &digests);
            if let Some(node) = space.nodes.get_mut(node) {
                node.digest = digest;
            }
        }
        Ok(space)
    }

    fn plant(&mut self, index: usize) {
        let Some(pattern) = self.patterns.get(index) else { return };
        let segments = pattern.segments.clone();
        let mut at = 0;
        for segment in &segments {
            let fresh = self.nodes.len();
            let Some(node) = self.nodes.get_mut(at) else { return };
            let next = match segment {
                Segment::Literal(text) => *node.literals.entry(text.clone()).or_insert(fresh),
                Segment::Named(_) => *node.named.get_or_insert(fresh),
                Segment::Rest => {
                    node.rests.push(index);
                    return;
                }
            };
            if next == fresh {
                self.nodes.push(Node::default());
            }
            at = next;
        }
        if let Some(node) = self.nodes.get_mut(at) {
            node.ends.push(index);
        }
    }

    fn digest(&self, node: usize, routes: &[u64]) -> u64 {
        let mut hasher = DefaultHasher::new();
        let Some(node) = self.nodes.get(node) else { return 0 };
        let of = |node: &usize| self.nodes.get(*node).map_or(0, |node| node.digest);
        for (text, child) in &node.literals {
            (text, of(child)).hash(&mut hasher);
        }
        node.named.as_ref().map(of).hash(&mut hasher);
        for leaves in [&node.ends, &node.rests] {
            let mut leaves: Vec<u64> = leaves.iter().filter_map(|leaf| routes.get(*leaf).copied()).collect();
            leaves.sort_unstable();
            leaves.hash(&mut hasher);
        }
        hasher.finish()
    }

    /// The route of a sample.
    pub fn find(&self, host: &str, path: &str, method: &Method) -> Option<usize> {
        match self.table.find(host, path, method) {
            Found::Route { value, .. } => Some(*value),
            Found::MethodNotAllowed { .. } | Found::Unknown | Found::UnknownHost => None,
        }
    }
}

/// Where the walk stands in one file: nodes that the path so far leads to, and `/**` passed on the way.
#[derive(Clone, Default)]
struct Place {
    nodes: Vec<usize>,
    rests: Vec<usize>,
}

impl Place {
    fn at_root(space: &Space) -> Self {
        let root = space.nodes.first();
        Self { nodes: vec![0], rests: root.map(|root| root.rests.clone()).unwrap_or_default() }
    }

    fn literals<'s>(&self, space: &'s Space) -> impl Iterator<Item = &'s str> {
        let nodes: Vec<&Node> = self.nodes.iter().filter_map(|node| space.nodes.get(*node)).collect();
        nodes.into_iter().flat_map(|node| node.literals.keys().map(String::as_str))
    }

    /// One segment further; `None`: one that no route names.
    fn step(&self, space: &Space, literal: Option<&str>) -> Self {
        let mut next = Self { nodes: Vec::new(), rests: self.rests.clone() };
        for node in self.nodes.iter().filter_map(|node| space.nodes.get(*node)) {
            next.nodes.extend(literal.and_then(|text| node.literals.get(text)));
            next.nodes.extend(node.named.filter(|_| literal != Some("")));
        }
        for node in &next.nodes {
            next.rests.extend(space.nodes.get(*node).map(|node| node.rests.as_slice()).unwrap_or_default());
        }
        next
    }

    /// Routes that a path ending here may belong to.
    fn leaves(&self, space: &Space) -> Vec<usize> {
        let ends =
            self.nodes.iter().filter_map(|node| space.nodes.get(*node)).flat_map(|node| node.ends.iter().copied());
        ends.chain(self.rests.iter().copied()).collect()
    }

    /// Equal in two files: nothing below can differ.
    fn digest(&self, space: &Space, routes: &[u64]) -> (Vec<u64>, Vec<u64>) {
        let nodes = self.nodes.iter().filter_map(|node| space.nodes.get(*node)).map(|node| node.digest).collect();
        (nodes, self.rests.iter().filter_map(|rest| routes.get(*rest).copied()).collect())
    }
}

/// Walks every class that two files may treat differently; all classes of one file when `other` has no routes. `same` gives
/// equal numbers for routes that make no difference. The error says that there are too many classes.
pub fn walk(
    spaces: [&Space; 2],
    models: [&Model; 2],
    same: impl Fn(&Route) -> u64,
    visit: &mut dyn FnMut(Class, Both),
) -> Result<(), String> {
    let routes = models.map(|model| {
        let digest = |route: &Route| {
            let mut hasher = DefaultHasher::new();
            (&route.pattern, same(route)).hash(&mut hasher);
            hasher.finish()
        };
        model.routes.iter().map(digest).collect::<Vec<u64>>()
    });
    let mut walk = Walk { spaces, routes, visit, classes: 0 };
    walk.below([Place::at_root(spaces[0]), Place::at_root(spaces[1])], &mut Vec::new())
}

struct Walk<'a> {
    spaces: [&'a Space; 2],
    routes: [Vec<u64>; 2],
    visit: &'a mut dyn FnMut(Class, Both),
    classes: usize,
}

impl Walk<'_> {
    fn below(&mut self, places: [Place; 2], path: &mut Vec<Option<String>>) -> Result<(), String> {
        let [old, new] = &places;
        if old.digest(self.spaces[0], &self.routes[0]) == new.digest(self.spaces[1], &self.routes[1]) {
            return Ok(());
        }
        let mut literals: BTreeSet<Option<&str>> = old.literals(self.spaces[0]).map(Some).collect();
        literals.extend(new.literals(self.spaces[1]).map(Some));
        literals.insert(Some(""));
        literals.insert(None);
        for literal in literals {
            let next = [old.step(self.spaces[0], literal), new.step(self.spaces[1], literal)];
            path.push(literal.map(str::to_owned));
            let deeper = next.iter().any(|place| !place.nodes.is_empty()) && literal != Some("");
            self.ends(&next, path, deeper || literal == Some(""))?;
            if deeper {
                self.below(next, path)?;
            }
            path.pop();
        }
        Ok(())
    }

    /// A path ends here, or goes on where no route looks any more.
    fn ends(&mut self, places: &[Place; 2], path: &[Option<String>], exactly: bool) -> Result<(), String> {
        let mut hosts: BTreeSet<Option<String>> = BTreeSet::from([None]);
        let mut methods: BTreeSet<Option<String>> = BTreeSet::from([None]);
        let mut any = false;
        for (place, space) in places.iter().zip(self.spaces) {
            for pattern in place.leaves(space).iter().filter_map(|leaf| space.patterns.get(*leaf)) {
                any = true;
                match &pattern.host {
                    HostPattern::Exact(name) => drop(hosts.insert(Some(name.clone()))),
                    HostPattern::Under(parent) => drop(hosts.insert(Some(format!("*.{parent}")))),
                    HostPattern::Any => {}
                }
                if let Methods::Named(named) = &pattern.methods {
                    methods.extend(named.iter().map(|method| Some(method.to_string())));
                    if named.contains(&Method::GET) {
                        methods.insert(Some("HEAD".to_owned()));
                    }
                }
            }
        }
        if !any {
            return Ok(());
        }
        let (sample, text) = (sample_path(path), text(path, exactly));
        let named: Vec<String> = methods.iter().flatten().cloned().collect();
        for host in &hosts {
            let sample_host = host.as_ref().map_or_else(|| OTHER_HOST.to_owned(), |host| host.replacen('*', "any", 1));
            for method in &methods {
                self.classes += 1;
                if self.classes > MOST {
                    return Err("there are too many combinations of paths to compare them all".to_owned());
                }
                let sample_method = method.as_deref().unwrap_or("OTHER").parse().unwrap_or_default();
                let found = self.spaces.map(|space| space.find(&sample_host, &sample, &sample_method));
                let class =
                    Class { host: host.clone(), path: text.clone(), method: method.clone(), named: named.clone() };
                (self.visit)(class, found);
            }
        }
        Ok(())
    }
}

fn sample_path(path: &[Option<String>]) -> String {
    path.iter().fold(String::new(), |path, segment| path + "/" + segment.as_deref().unwrap_or(OTHER_SEGMENT))
}

fn text(path: &[Option<String>], exactly: bool) -> String {
    let text = path.iter().fold(String::new(), |path, segment| path + "/" + segment.as_deref().unwrap_or("{any}"));
    if exactly { text } else { text + "/**" }
}

/// Routes that no request ever reaches, by position.
pub fn unreachable(model: &Model) -> Result<Vec<usize>, String> {
    let same = |_: &Route| 0;
    let (space, nothing) = (Space::of(model, same)?, Space::of(&Model::default(), same)?);
    let mut reached = HashSet::new();
    walk([&space, &nothing], [model, &Model::default()], same, &mut |_, [found, _]| reached.extend(found))?;
    Ok((0..model.routes.len()).filter(|index| !reached.contains(index)).collect())
}

/// One pattern for what stands side by side: a path, the same with `/`, and all below.
pub fn folded(paths: &BTreeSet<String>) -> Vec<String> {
    let mut left = paths.clone();
    let mut folded = Vec::new();
    for path in paths.iter().rev() {
        let Some(base) = path.strip_suffix("/{any}/**") else { continue };
        let whole = [base.to_owned(), format!("{base}/")];
        if left.contains(path) && left.contains(&whole[1]) && (base.is_empty() || left.contains(&whole[0])) {
            left.retain(|own| own != path && !whole.contains(own));
            folded.push(format!("{base}/**"));
        }
    }
    left.extend(folded);
    left.into_iter().collect()
}
