//! The meaning of each fact: the only code that changes an instance.

use std::sync::Arc;

use serde_json::Value;

use super::{End, Execution, Flow, Instance, Listening, Phase, State, Trying};
use crate::{
    fact::{Fact, Started, TaskStarted},
    id::ExecutionId,
    time::Timestamp,
};

type Applied = Result<(), String>;

impl Instance {
    pub(crate) fn apply_fact(&mut self, fact: &Fact, at: Timestamp) -> Applied {
        match fact {
            Fact::Started(started) => self.begin(started, at),
            Fact::TaskStarted(task) => self.begin_task(task, at),
            Fact::TaskSkipped { parent, branch, .. } => self.skipped(*parent, *branch),
            Fact::Looped { execution, items } => self.looped(*execution, items),
            Fact::Iterated { execution, index } => self.iterated(*execution, *index),
            Fact::Called { execution, call, attempt, detached } => self.called(*execution, *call, *attempt, *detached),
            Fact::CallFailed { execution, .. } => self.set_state(*execution, State::Plain),
            Fact::CallEnded { call, .. } => {
                self.detached.remove(call).map(|_| ()).ok_or_else(|| format!("call {call} is not detached"))
            }
            Fact::ChildStarted { execution, child } => self.set_state(*execution, State::Child { child: *child }),
            Fact::Waiting { execution, .. } => self.set_state(*execution, State::Waiting),
            Fact::Received { .. } | Fact::Processed { .. } | Fact::ListenEnded { .. } => self.listened(fact),
            Fact::Caught { .. } | Fact::Retrying { .. } | Fact::Retried { .. } | Fact::Handling { .. } => {
                self.tried(fact)
            }
            Fact::Emitted { execution, .. } => self.execution(*execution).map(|_| ()),
            Fact::TaskCompleted { execution, output, context } => self.completed(*execution, output, context),
            Fact::TaskFaulted { execution, .. } => self.faulted(*execution),
            Fact::TaskCancelled { execution } => self.remove(*execution).map(|_| ()),
            Fact::Ended { status, output, error } => {
                self.executions.clear();
                self.end = Some(End { status: *status, output: output.clone(), error: error.clone(), at });
                Ok(())
            }
        }
    }

    fn begin(&mut self, started: &Started, at: Timestamp) -> Applied {
        if self.started.is_some() {
            return Err("the instance began twice".to_owned());
        }
        let input = started.transformed.clone().unwrap_or_else(|| Arc::clone(&started.input));
        self.started_at = at;
        // DSL, "Data Flow": the transformed input is the first value of the context.
        self.context = Arc::clone(&input);
        self.next_execution = 1;
        self.executions.insert(
            ExecutionId::WORKFLOW,
            Execution {
                parent: None,
                task: None,
                branch: None,
                path: Arc::from(""),
                raw: Arc::clone(&started.input),
                input: Arc::clone(&input),
                started_at: at,
                deadline: started.deadline,
                state: State::Block(Flow::new(input)),
            },
        );
        self.started = Some(Arc::new(started.clone()));
        Ok(())
    }

    fn begin_task(&mut self, task: &TaskStarted, at: Timestamp) -> Applied {
        if task.execution.0 != self.next_execution {
            return Err(format!("execution {} follows execution {}", task.execution, self.next_execution - 1));
        }
        let parent = self.execution(task.parent)?;
        let raw = match (&task.raw, parent.state.flow_mut()) {
            (Some(raw), _) => Arc::clone(raw),
            (None, Some(flow)) => Arc::clone(&flow.value),
            (None, None) => Arc::clone(&parent.input),
        };
        let path = child_path(parent, &task.reference, task.visit);
        if let Some(flow) = parent.state.flow_mut() {
            flow.visits.insert(task.task, task.visit + 1);
        }
        let input = task.input.clone().unwrap_or_else(|| Arc::clone(&raw));
        let state = match task.kind.as_str() {
            "do" => State::Block(Flow::new(Arc::clone(&input))),
            "for" => State::For { items: Arc::default(), index: 0, flow: Flow::new(Arc::clone(&input)) },
            "fork" => State::Fork { outputs: std::collections::BTreeMap::new(), failed: 0 },
            "try" => State::Try(Box::new(Trying {
                phase: Phase::Trying,
                flow: Flow::new(Arc::clone(&input)),
                retries: 0,
                error: None,
                attempts: std::collections::BTreeMap::new(),
                parked: None,
            })),
            "listen" => State::Listening(Box::default()),
            _ => State::Plain,
        };
        let execution = Execution {
            parent: Some(task.parent),
            task: Some(task.task),
            branch: task.branch,
            path,
            raw,
            input,
            started_at: at,
            deadline: task.deadline,
            state,
        };
        self.executions.insert(task.execution, execution);
        self.next_execution += 1;
        Ok(())
    }

    fn skipped(&mut self, parent: ExecutionId, branch: Option<u32>) -> Applied {
        let parent = self.execution(parent)?;
        if let State::Fork { outputs, .. } = &mut parent.state {
            outputs.insert(branch.unwrap_or_default(), Arc::clone(&parent.input));
        }
        Ok(())
    }

    fn looped(&mut self, id: ExecutionId, all: &Arc<Vec<Value>>) -> Applied {
        match &mut self.execution(id)?.state {
            State::For { items, .. } => {
                *items = Arc::clone(all);
                Ok(())
            }
            _ => Err(format!("execution {id} is not a loop")),
        }
    }

    fn iterated(&mut self, id: ExecutionId, to: u32) -> Applied {
        match &mut self.execution(id)?.state {
            State::For { index, flow, .. } => {
                *index = to;
                flow.visits.clear();
                Ok(())
            }
            State::Listening(listening) => {
                let item = listening.items.get(to as usize).ok_or("an item that was not received")?;
                listening.flow = Some(Flow::new(Arc::clone(item)));
                Ok(())
            }
            _ => Err(format!("execution {id} is not a loop")),
        }
    }

    fn called(&mut self, id: ExecutionId, call: crate::id::CallId, attempt: u32, detached: bool) -> Applied {
        if detached {
            self.execution(id)?;
            self.detached.insert(call, attempt);
        } else {
            self.set_state(id, State::Calling { call, attempt })?;
        }
        let mut above = self.execution(id)?.parent;
        while let Some(ancestor) = above {
            let execution = self.execution(ancestor)?;
            if let State::Try(trying) = &mut execution.state {
                trying.attempts.insert(call, attempt);
                if trying.parked == Some(call) {
                    trying.parked = None;
                }
            }
            above = execution.parent;
        }
        Ok(())
    }

    fn listened(&mut self, fact: &Fact) -> Applied {
        let (Fact::Received { execution, .. } | Fact::Processed { execution, .. } | Fact::ListenEnded { execution }) =
            fact
        else {
            return Ok(());
        };
        if let Fact::Processed { context: Some(context), .. } = fact {
            self.context = Arc::clone(context);
        }
        if let Fact::Received { source, id, .. } = fact {
            self.taken.insert((source.clone(), id.clone()));
        }
        let State::Listening(listening) = &mut self.execution(*execution)?.state else {
            return Err(format!("execution {execution} does not listen"));
        };
        match fact {
            Fact::Received { filter, until, item, correlations, .. } => {
                if *until {
                    listening.until_matched.insert(*filter);
                } else {
                    listening.matched.insert(*filter);
                }
                listening.items.extend(item.clone());
                listening.correlations.extend(correlations.iter().cloned());
            }
            Fact::Processed { output, .. } => {
                listening.outputs.push(output.clone());
                listening.flow = None;
            }
            _ => listening.ended = true,
        }
        Ok(())
    }

    fn tried(&mut self, fact: &Fact) -> Applied {
        let (Fact::Caught { execution, .. }
        | Fact::Retrying { execution, .. }
        | Fact::Retried { execution }
        | Fact::Handling { execution }) = fact
        else {
            return Ok(());
        };
        let live = self.execution(*execution)?;
        let input = Arc::clone(&live.input);
        let State::Try(trying) = &mut live.state else {
            return Err(format!("execution {execution} is not a try"));
        };
        match fact {
            Fact::Caught { error, .. } => trying.error = Some(error.clone()),
            Fact::Retrying { retry, call, .. } => {
                trying.phase = Phase::Pausing;
                trying.retries = *retry;
                trying.parked = *call;
            }
            Fact::Retried { .. } => {
                trying.phase = Phase::Trying;
                trying.flow = Flow::new(input);
            }
            _ => {
                trying.phase = Phase::Handling;
                trying.parked = None;
                trying.flow = Flow::new(input);
            }
        }
        Ok(())
    }

    fn completed(&mut self, id: ExecutionId, output: &Option<Arc<Value>>, context: &Option<Arc<Value>>) -> Applied {
        let ended = self.remove(id)?;
        if let Some(context) = context {
            self.context = Arc::clone(context);
        }
        let output = output.clone().unwrap_or(ended.input);
        let Some(parent) = ended.parent else {
            return Err("the workflow ends with its instance".to_owned());
        };
        let parent = self.execution(parent)?;
        if let State::Fork { outputs, .. } = &mut parent.state {
            outputs.insert(ended.branch.unwrap_or_default(), output);
        } else if let Some(flow) = parent.state.flow_mut() {
            flow.value = output;
        }
        Ok(())
    }

    fn faulted(&mut self, id: ExecutionId) -> Applied {
        let ended = self.remove(id)?;
        if let Some(parent) = ended.parent
            && let State::Fork { failed, .. } = &mut self.execution(parent)?.state
        {
            *failed += 1;
        }
        Ok(())
    }

    fn set_state(&mut self, id: ExecutionId, state: State) -> Applied {
        self.execution(id)?.state = state;
        Ok(())
    }

    fn execution(&mut self, id: ExecutionId) -> Result<&mut Execution, String> {
        self.executions.get_mut(&id).ok_or_else(|| format!("execution {id} is not live"))
    }

    fn remove(&mut self, id: ExecutionId) -> Result<Execution, String> {
        self.executions.remove(&id).ok_or_else(|| format!("execution {id} is not live"))
    }
}

/// The path of a child: that of its parent, the iteration it belongs to, its own reference and visit.
fn child_path(parent: &Execution, reference: &str, visit: u32) -> Arc<str> {
    let iteration = match &parent.state {
        State::For { index, .. } => Some(u64::from(*index)),
        State::Listening(listening) => Some(listening_index(listening)),
        _ => None,
    };
    let mut path = parent.path.to_string();
    if let Some(index) = iteration {
        path.push_str(&format!("[{index}]"));
    }
    path.push(' ');
    path.push_str(reference);
    if visit > 0 {
        path.push_str(&format!("#{visit}"));
    }
    Arc::from(path)
}

fn listening_index(listening: &Listening) -> u64 {
    listening.outputs.len() as u64
}
