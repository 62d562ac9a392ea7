//! What can be known about an expression before it runs: its names, its functions, and that it yields true or false.

use std::ops::Range;
use std::sync::Arc;

use cel::common::ast::{EntryExpr, Expr, IdedExpr, LiteralValue, SelectExpr, operators};
use cel::{ParseErrors, Program};

/// Why an expression cannot be a condition, and where in its text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ConditionFault {
    pub message: String,
    /// Bytes of the expression; `None`: all of it.
    pub range: Option<Range<usize>>,
}

/// What a syntax error says, without the parser's own lines.
pub fn unreadable(errors: &ParseErrors) -> ConditionFault {
    let first = errors.errors.first().map_or_else(|| "it cannot be read".to_owned(), |error| error.msg.clone());
    ConditionFault { message: format!("this is not a CEL expression: {first}"), range: None }
}

/// Judges a whole expression.
pub fn check(program: &Program, params: &[Arc<str>], anonymous: bool) -> Result<(), ConditionFault> {
    let mut checker = Checker { program, params, anonymous, bound: Vec::new() };
    let kind = checker.kind(program.expression())?;
    match kind {
        Kind::Bool | Kind::Unknown => Ok(()),
        Kind::Text | Kind::Number | Kind::List | Kind::Map | Kind::Null => {
            let message = format!("the condition yields {}, and must yield true or false", kind.words());
            Err(checker.fault(program.expression(), message))
        }
    }
}

/// What a part of an expression yields, as far as can be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Bool,
    Text,
    Number,
    List,
    Map,
    Null,
    Unknown,
}

impl Kind {
    fn words(self) -> &'static str {
        match self {
            Self::Bool => "true or false",
            Self::Text => "a text",
            Self::Number => "a number",
            Self::List => "a list",
            Self::Map => "a map",
            Self::Null => "null",
            Self::Unknown => "something",
        }
    }
}

struct Checker<'a> {
    program: &'a Program,
    params: &'a [Arc<str>],
    anonymous: bool,
    /// Variables of the macros around (`all`, `exists`, `filter`, `map`).
    bound: Vec<String>,
}

impl Checker<'_> {
    fn fault(&self, at: &IdedExpr, message: String) -> ConditionFault {
        let range = self.program.source_info().offset_for(at.id);
        let range = range.map(|(start, stop)| start as usize..(stop as usize).max(start as usize) + 1);
        ConditionFault { message, range }
    }

    fn kind(&mut self, at: &IdedExpr) -> Result<Kind, ConditionFault> {
        match &at.expr {
            Expr::Unspecified => Ok(Kind::Unknown),
            Expr::Literal(literal) => Ok(literal_kind(literal)),
            Expr::Ident(name) => self.name(at, name),
            Expr::Select(select) => self.select(at, select),
            Expr::Call(call) => {
                let target = call.target.as_deref().map(|target| self.kind(target)).transpose()?;
                let args = call.args.iter().map(|arg| self.kind(arg)).collect::<Result<Vec<_>, _>>()?;
                self.call(at, &call.func_name, target, &args)
            }
            Expr::List(list) => {
                list.elements.iter().try_for_each(|element| self.kind(element).map(drop))?;
                Ok(Kind::List)
            }
            Expr::Map(map) => {
                for entry in &map.entries {
                    if let EntryExpr::MapEntry(entry) = &entry.expr {
                        self.kind(&entry.key)?;
                        self.kind(&entry.value)?;
                    }
                }
                Ok(Kind::Map)
            }
            Expr::Struct(_) => Err(self.fault(at, "there are no types to make values of".to_owned())),
            Expr::Comprehension(inner) => {
                self.kind(&inner.iter_range)?;
                let before = self.bound.len();
                self.bound.push(inner.iter_var.clone());
                self.bound.extend(inner.iter_var2.clone());
                self.bound.push(inner.accu_var.clone());
                let start = self.kind(&inner.accu_init)?;
                self.kind(&inner.loop_step)?;
                self.kind(&inner.result)?;
                self.bound.truncate(before);
                // `all` and `exists` gather a boolean, `map` and `filter` a list, `exists_one` counts and compares.
                Ok(if start == Kind::Number { Kind::Bool } else { start })
            }
        }
    }

    fn name(&self, at: &IdedExpr, name: &str) -> Result<Kind, ConditionFault> {
        if self.bound.iter().any(|bound| bound == name) {
            return Ok(Kind::Unknown);
        }
        match name {
            "token" if self.anonymous => {
                Err(self
                    .fault(at, "a public route has no `token`; conditions there read `request` and `peer`".to_owned()))
            }
            "token" | "request" | "path" | "peer" => Ok(Kind::Map),
            _ => {
                Err(self
                    .fault(at, format!("there is no `{name}`; the names are `token`, `request`, `path` and `peer`")))
            }
        }
    }

    fn select(&mut self, at: &IdedExpr, select: &SelectExpr) -> Result<Kind, ConditionFault> {
        let whole = self.kind(&select.operand)?;
        let Expr::Ident(root) = &select.operand.expr else {
            return match whole {
                Kind::Map | Kind::Unknown => Ok(if select.test { Kind::Bool } else { Kind::Unknown }),
                Kind::Bool | Kind::Text | Kind::Number | Kind::List | Kind::Null => {
                    Err(self.fault(at, format!("{} has no `{}`", whole.words(), select.field)))
                }
            };
        };
        if self.bound.contains(root) {
            return Ok(if select.test { Kind::Bool } else { Kind::Unknown });
        }
        let kind = self.member(at, root, &select.field)?;
        Ok(if select.test { Kind::Bool } else { kind })
    }

    fn member(&self, at: &IdedExpr, root: &str, field: &str) -> Result<Kind, ConditionFault> {
        let known: &[(&str, Kind)] = match root {
            "token" => &[
                ("subject", Kind::Unknown),
                ("client", Kind::Unknown),
                ("issuer", Kind::Text),
                ("scopes", Kind::List),
                ("roles", Kind::List),
                ("claims", Kind::Map),
            ],
            "request" => &[
                ("method", Kind::Text),
                ("path", Kind::Text),
                ("host", Kind::Text),
                ("headers", Kind::Map),
                ("query", Kind::Map),
            ],
            "peer" => &[("address", Kind::Text)],
            _ => {
                if self.params.iter().any(|param| &**param == field) {
                    return Ok(Kind::Text);
                }
                let names = self.params.iter().map(|name| format!("`path.{name}`")).collect::<Vec<_>>().join(", ");
                let names = if names.is_empty() { "the route's path has no `{name}`".to_owned() } else { names };
                return Err(self.fault(at, format!("there is no `path.{field}`: {names}")));
            }
        };
        match known.iter().find(|(name, _)| *name == field) {
            // A subject or client may be absent, but where it is there it is a text: alone it is no condition.
            Some((_, Kind::Unknown)) => Ok(Kind::Text),
            Some((_, kind)) => Ok(*kind),
            None => {
                let names = known.iter().map(|(name, _)| format!("`{root}.{name}`")).collect::<Vec<_>>().join(", ");
                Err(self.fault(at, format!("there is no `{root}.{field}`; there are {names}")))
            }
        }
    }

    fn call(&self, at: &IdedExpr, name: &str, target: Option<Kind>, args: &[Kind]) -> Result<Kind, ConditionFault> {
        use operators as op;
        let logical = |kind: &Kind| matches!(kind, Kind::Bool | Kind::Unknown);
        match name {
            op::LOGICAL_AND | op::LOGICAL_OR | op::LOGICAL_NOT if !args.iter().all(logical) => {
                Err(self.fault(at, "`&&`, `||` and `!` stand between conditions that yield true or false".to_owned()))
            }
            op::LOGICAL_AND | op::LOGICAL_OR | op::LOGICAL_NOT | op::NOT_STRICTLY_FALSE => Ok(Kind::Bool),
            op::EQUALS | op::NOT_EQUALS | op::GREATER | op::GREATER_EQUALS | op::LESS | op::LESS_EQUALS => match args {
                [left, right] if differ(*left, *right) => {
                    Err(self.fault(at, format!("{} is compared with {}", left.words(), right.words())))
                }
                _ => Ok(Kind::Bool),
            },
            op::IN => match args {
                [_, Kind::Bool | Kind::Number | Kind::Text | Kind::Null] => {
                    Err(self.fault(at, "what stands behind `in` must be a list or a map".to_owned()))
                }
                _ => Ok(Kind::Bool),
            },
            op::CONDITIONAL => Ok(args.get(1).copied().unwrap_or(Kind::Unknown)),
            op::ADD | op::SUBSTRACT | op::MULTIPLY | op::DIVIDE | op::MODULO | op::NEGATE => match args {
                [left, right] if differ(*left, *right) => {
                    Err(self.fault(at, format!("{} and {} cannot be reckoned together", left.words(), right.words())))
                }
                [left, ..] => Ok(*left),
                [] => Ok(Kind::Unknown),
            },
            op::INDEX | op::OPT_INDEX | op::OPT_SELECT => Ok(Kind::Unknown),
            "contains" | "startsWith" | "endsWith" | "matches" => match target.or(args.first().copied()) {
                Some(Kind::Text | Kind::List | Kind::Map | Kind::Unknown) => Ok(Kind::Bool),
                _ => Err(self.fault(at, format!("`{name}` asks something of a text"))),
            },
            "size" | "int" | "uint" | "double" | "min" | "max" => Ok(Kind::Number),
            "string" => Ok(Kind::Text),
            "bool" => Ok(Kind::Bool),
            _ => Err(self.fault(at, format!("there is no function `{name}`"))),
        }
    }
}

fn differ(left: Kind, right: Kind) -> bool {
    let open = |kind| matches!(kind, Kind::Unknown | Kind::Null);
    left != right && !open(left) && !open(right)
}

fn literal_kind(literal: &LiteralValue) -> Kind {
    match literal {
        LiteralValue::Boolean(_) => Kind::Bool,
        LiteralValue::String(_) | LiteralValue::Bytes(_) => Kind::Text,
        LiteralValue::Double(_) | LiteralValue::Int(_) | LiteralValue::UInt(_) => Kind::Number,
        LiteralValue::Null => Kind::Null,
    }
}
