//! `demo`.
use crate::{
    arguments::Demo,
    exit::{Exit, Refused},
};
pub(crate) async fn perform(demo: Demo) -> Result<Exit, Refused> {
    let _ = demo;
    Err(Refused::unreachable("not yet"))
}
pub(crate) fn courier() -> Result<Exit, Refused> {
    Ok(Exit::Done)
}
