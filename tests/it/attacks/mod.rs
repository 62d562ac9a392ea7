//! Attacks: requests that have broken real gateways, sent to the running binary in front of an upstream that writes down
//! the exact bytes it gets. Each test is named by what must hold; its cases carry the ids of a catalogue of classes (`S4.3`),
//! so that a class that is missing shows.

mod bed;
mod bodies;
mod framing;
mod headers;
mod jose;
mod syntax;
mod targets;

use bed::Bed;
