//! A function: its statements, what is expected of them, and what it gives.

use sagabus_adapter_sdk::{EffectState, Failure, Function, Problem, Standard};
use serde_json::{Value, json};

use crate::{
    Ran,
    database::Transaction,
    failure,
    statement::{Dialect, Statement, StatementError},
};

/// A function as it is declared.
#[derive(Clone, Debug)]
pub struct SqlFunction {
    /// What it is called, takes, gives and promises.
    pub function: Function,
    /// Its statements, run in order in one transaction.
    pub statements: Vec<SqlStatement>,
    /// What it gives back of the last one.
    pub gives: Gives,
    /// It writes nothing: no record of its calls is kept, and its failures have no effect.
    pub read: bool,
}

/// Statements that the same is expected of.
#[derive(Clone, Debug)]
pub struct SqlStatement {
    /// One statement, or several with `;` between them; parameters are `:name`.
    pub sql: String,
    /// What is expected of each.
    pub expectation: Option<Expectation>,
}

/// How many rows a statement gives back or changes; if others, the transaction is rolled back.
#[derive(Clone, Debug)]
pub struct Expectation {
    /// That many.
    pub rows: u64,
    /// The error of a statement that does otherwise.
    pub error: Problem,
}

/// What a function gives back.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Gives {
    /// `{ "rows": […], "count": n }`.
    #[default]
    All,
    /// A list of rows.
    Rows,
    /// The first row, or null.
    Row,
    /// How many rows were given back or changed.
    Count,
    /// Null.
    None,
}

/// A function that is ready to run.
pub(crate) struct Prepared {
    pub(crate) function: Function,
    pub(crate) read: bool,
    gives: Gives,
    statements: Vec<(Statement, Option<Expectation>)>,
}

impl Prepared {
    pub(crate) fn new(declared: SqlFunction, dialect: Dialect) -> Result<Self, StatementError> {
        let mut statements = Vec::new();
        for SqlStatement { sql, expectation } in declared.statements {
            let read = Statement::read(&sql, dialect)?;
            statements.extend(read.into_iter().map(|statement| (statement, expectation.clone())));
        }
        if statements.is_empty() {
            return Err(StatementError::Empty);
        }
        Ok(Self { function: declared.function, read: declared.read, gives: declared.gives, statements })
    }

    /// Runs the statements. The caller commits; whoever does not, rolls back, so that no failure from here has an effect.
    pub(crate) async fn run(&self, transaction: &mut dyn Transaction, arguments: &Value) -> Result<Value, Failure> {
        let mut last = Ran::default();
        for (statement, expectation) in &self.statements {
            let bound = bind(statement, arguments)?;
            last = transaction.run(statement, &bound).await.map_err(|error| failure::statement(&error))?;
            if let Some(Expectation { error, .. }) = expectation.as_ref().filter(|expected| expected.rows != last.count)
            {
                return Err(Failure { error: unexpected(error, statement, &last), effect: EffectState::None });
            }
        }
        Ok(match self.gives {
            Gives::All => json!({ "rows": last.rows, "count": last.count }),
            Gives::Rows => last.rows.into(),
            Gives::Row => last.rows.into_iter().next().unwrap_or_default(),
            Gives::Count => last.count.into(),
            Gives::None => Value::Null,
        })
    }
}

/// The values of a statement's parameters.
fn bind<'a>(statement: &Statement, arguments: &'a Value) -> Result<Vec<&'a Value>, Failure> {
    statement
        .parameters
        .iter()
        .map(|name| {
            arguments.get(name).ok_or_else(|| {
                Failure::without_effect(
                    Standard::Validation,
                    format!("the argument `{name}` is missing; give null if there is no value"),
                )
            })
        })
        .collect()
}

fn unexpected(declared: &Problem, statement: &Statement, ran: &Ran) -> Problem {
    let mut error = declared.clone();
    let detail = || format!("{} rows, and not as many as expected, by: {}", ran.count, statement.source());
    error.detail.get_or_insert_with(detail);
    error
}
