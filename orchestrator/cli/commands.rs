//! One file for each command.

mod call;
mod check;
mod demo;
mod enqueue;
mod instances;
mod migrate;
mod retries;
mod run;
mod serve;

use crate::{
    arguments::{Arguments, Command, Instances, Retries},
    exit::{Exit, Refused},
};

/// Does what was asked for.
pub(crate) async fn perform(arguments: Arguments) -> Result<Exit, Refused> {
    let config = arguments.config.as_deref();
    match arguments.command {
        Command::Check(check) => check::perform(&check),
        Command::Run(run) => run::perform(run, config).await,
        Command::Serve(serve) => serve::perform(serve, config).await,
        Command::Enqueue(enqueue) => enqueue::perform(enqueue, config).await,
        Command::Call(call) => call::perform(call, config).await,
        Command::Instances(Instances::List(list)) => instances::list(list, config).await,
        Command::Instances(Instances::Show(show)) => instances::show(show, config).await,
        Command::Retries(Retries::List(list)) => retries::list(list, config).await,
        Command::Migrate(migrate) => migrate::perform(migrate, config).await,
        Command::Demo => demo::perform().await,
        Command::DemoCourier { function } => demo::courier(&function),
    }
}
