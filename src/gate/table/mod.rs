//! Finds what a request means: host, path and method to a `T`. Pure, compiled once; knows nothing of policies.
//!
//! For each host pattern and each method there is one tree of all routes that take this method there; so "the most
//! specific path wins, then a named method before `*`, and a broader route serves a method that a narrower one does not
//! name" is one look-up in one tree, and costs with 10,000 routes about what it costs with 10.

pub mod pattern;
mod tree;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use http::{HeaderValue, Method};

use tree::Tree;

use pattern::Taking;
pub use pattern::{HostPattern, Methods, Pattern, PatternFault, Segment};

/// Routes, compiled.
pub struct Table<T> {
    values: Vec<T>,
    exact: HashMap<String, Host>,
    /// Under `*.`: the parent domain.
    under: HashMap<String, Host>,
    any: Host,
}

/// The trees of one host pattern.
#[derive(Default)]
struct Host {
    by_method: HashMap<Method, Tree<Leaf>>,
    /// Routes for all methods; for a method that no route names.
    others: Tree<Leaf>,
    named: bool,
}

#[derive(Clone)]
struct Leaf {
    /// Position in `Table::values`.
    value: usize,
    names: Arc<[Arc<str>]>,
}

/// The outcome of a look-up.
pub enum Found<'t, T> {
    Route {
        value: &'t T,
        params: Params,
    },
    /// Some route has this host and path, none takes the method; `Allow` is ready made.
    MethodNotAllowed {
        allow: HeaderValue,
    },
    /// No route has this host and path.
    Unknown,
    /// No route has this host, whatever the path.
    UnknownHost,
}

/// Values of `{name}` segments, decoded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Params(pub Vec<(Arc<str>, String)>);

impl Params {
    pub fn value(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(own, _)| &**own == name).map(|(_, value)| value.as_str())
    }
}

/// Two routes that match the same requests: which one is meant cannot be known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tie {
    /// Positions in the list given to `build`.
    pub first: usize,
    pub second: usize,
}

impl<T> Table<T> {
    /// Compiles; or every pair that is a true tie.
    pub fn build(routes: Vec<(Vec<Pattern>, T)>) -> Result<Self, Vec<Tie>> {
        let mut hosts: BTreeMap<HostPattern, Vec<(usize, Pattern)>> = BTreeMap::new();
        let mut values = Vec::with_capacity(routes.len());
        for (index, (patterns, value)) in routes.into_iter().enumerate() {
            values.push(value);
            for pattern in patterns {
                hosts.entry(pattern.host.clone()).or_default().push((index, pattern));
            }
        }
        let mut ties = BTreeSet::new();
        let mut table = Self { values, exact: HashMap::new(), under: HashMap::new(), any: Host::default() };
        for (pattern, routes) in hosts {
            let host = Host::build(&routes, &mut ties);
            match pattern {
                HostPattern::Exact(name) => drop(table.exact.insert(name, host)),
                HostPattern::Under(parent) => drop(table.under.insert(parent, host)),
                HostPattern::Any => table.any = host,
            }
        }
        if ties.is_empty() {
            Ok(table)
        } else {
            Err(ties.into_iter().map(|(first, second)| Tie { first, second }).collect())
        }
    }

    /// The route of a request. `host` and `path` are canonical, as `admit` makes them.
    pub fn find(&self, host: &str, path: &str, method: &Method) -> Found<'_, T> {
        let mut known = false;
        for host in self.hosts(host) {
            known |= host.named;
            // No `*` means these two: they would reach behind us.
            if method != Method::CONNECT
                && method != Method::TRACE
                && let Some((leaf, params)) = host.find(path, method)
                && let Some(value) = self.values.get(leaf.value)
            {
                return Found::Route { value, params };
            }
        }
        if !known {
            return Found::UnknownHost;
        }
        let methods = self.methods(host, path);
        if methods.is_empty() {
            return Found::Unknown;
        }
        let allow = methods.iter().map(Method::as_str).collect::<Vec<_>>().join(", ");
        Found::MethodNotAllowed { allow: HeaderValue::try_from(allow).unwrap_or(HeaderValue::from_static("")) }
    }

    /// Methods that some route takes at this host and path; sorted.
    pub fn methods(&self, host: &str, path: &str) -> Vec<Method> {
        let taken = self.hosts(host).flat_map(|host| host.methods(path));
        let sorted: BTreeMap<String, Method> = taken.map(|method| (method.to_string(), method)).collect();
        sorted.into_values().collect()
    }

    pub fn values(&self) -> impl Iterator<Item = &T> {
        self.values.iter()
    }

    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.values.iter_mut()
    }

    /// The trees that may hold a host, the most specific first.
    fn hosts<'a>(&'a self, host: &'a str) -> impl Iterator<Item = &'a Host> {
        // Where no route names a host, none is looked for.
        let wild = if self.under.is_empty() { "" } else { host };
        let parents = wild.match_indices('.').filter_map(|(dot, _)| host.get(dot + 1..));
        let under = parents.filter_map(|parent| self.under.get(parent));
        let exact = if self.exact.is_empty() { None } else { self.exact.get(host) };
        exact.into_iter().chain(under).chain(std::iter::once(&self.any))
    }
}

impl Host {
    fn build(routes: &[(usize, Pattern)], ties: &mut BTreeSet<(usize, usize)>) -> Self {
        let named: BTreeMap<String, Method> = routes
            .iter()
            .flat_map(|(_, pattern)| pattern.methods.named())
            .map(|method| (method.to_string(), method.clone()))
            .collect();
        let tree = |method: Option<&Method>, ties: &mut BTreeSet<(usize, usize)>| {
            // By path: who takes this method, and how expressly.
            let mut paths: Paths<'_> = BTreeMap::new();
            for (index, pattern) in routes {
                let Some(taking) = pattern.methods.takes(method) else { continue };
                match paths.entry(pattern.shape()) {
                    Entry::Vacant(free) => drop(free.insert((*index, taking, pattern))),
                    Entry::Occupied(mut taken) => {
                        let (other, other_taking, _) = *taken.get();
                        if other_taking == taking && other != *index {
                            ties.insert((other.min(*index), other.max(*index)));
                        } else if taking < other_taking {
                            taken.insert((*index, taking, pattern));
                        }
                    }
                }
            }
            grow(&paths)
        };
        let others = tree(None, ties);
        let by_method = named.into_values().map(|method| (method.clone(), tree(Some(&method), ties))).collect();
        Self { by_method, others, named: !routes.is_empty() }
    }

    fn find(&self, path: &str, method: &Method) -> Option<(&Leaf, Params)> {
        let (leaf, texts) = self.by_method.get(method).unwrap_or(&self.others).find(path)?;
        let params = leaf.names.iter().zip(texts);
        let params = params.map(|(name, text)| (Arc::clone(name), pattern::decoded(text).into_owned())).collect();
        Some((leaf, Params(params)))
    }

    fn methods(&self, path: &str) -> Vec<Method> {
        let named =
            self.by_method.iter().filter(|(_, tree)| tree.find(path).is_some()).map(|(method, _)| method.clone());
        let all =
            [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];
        let others = if self.others.find(path).is_some() { all.to_vec() } else { Vec::new() };
        named.chain(others).collect()
    }
}

/// By the shape of a path: which route takes it, and how expressly it names the method.
type Paths<'p> = BTreeMap<Vec<Segment>, (usize, Taking, &'p Pattern)>;

fn grow(paths: &Paths<'_>) -> Tree<Leaf> {
    let mut tree = Tree::default();
    for &(value, _, pattern) in paths.values() {
        tree.insert(&pattern.segments, Leaf { value, names: pattern.names() });
    }
    tree
}

#[cfg(test)]
mod tests;
