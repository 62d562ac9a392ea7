//! Grants that nobody should use and some must: off until a client's registration says so with a `danger_` switch.

pub(in crate::authority) mod implicit;
pub(in crate::authority) mod password;
