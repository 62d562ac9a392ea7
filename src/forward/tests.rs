//! `send` against servers that say exactly what the test wants.

mod answers;
mod bodies;
mod connections;
mod faults;
mod feed;
mod house;
mod identities;
mod repeats;
mod secure;
mod servers;
mod traces;
mod upgrades;
