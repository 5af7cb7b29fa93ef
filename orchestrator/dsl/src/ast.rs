//! The document in the language's own terms: shapes are checked, names and expressions are not yet.
//!
//! Every part reads itself from the tree. What is broken is reported and absent afterwards, so that one mistake does not
//! hide the next.

pub(crate) mod authentication;
pub(crate) mod call;
pub(crate) mod data;
pub(crate) mod event;
pub(crate) mod flow;
pub(crate) mod protocol;
pub(crate) mod run;
pub(crate) mod task;
pub(crate) mod workflow;

pub(crate) use authentication::{Authentication, AuthenticationChoice, Credentials, Scheme};
pub(crate) use call::{Call, Endpoint, Http};
pub(crate) use data::{Duration, Export, Input, Output, SchemaDocument, Timeout};
pub(crate) use event::{Consumption, Correlation, EventFilter, Foreach, Listen, Until};
pub(crate) use flow::{Case, Error, ErrorChoice, For, Fork, Retry, RetryChoice, Try};
pub(crate) use run::{Program, Run, SubFlow};
pub(crate) use task::{Item, Kind, List, Task};
pub(crate) use workflow::{Mode, Use, Workflow};
