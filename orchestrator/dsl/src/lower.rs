//! Turns the document into a plan: names are resolved, expressions compiled, templates built.

mod block;
mod call;
mod component;
mod event;
mod expression;
mod reach;
mod scope;
mod task;

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use sagabus_core::{
    id::{Digest, WorkflowName},
    plan::{Plan, Task, TaskId},
};

use crate::{
    ast::{Mode, Use, Workflow},
    pointer::push_segment,
    problems::Problems,
    tree::{Node, Span},
};
use scope::{Scope, Stage};

/// Builds the plan; `None` if something is wrong, which has then been reported.
pub(crate) fn lower<'a>(workflow: &'a Workflow<'a>, tree: &Node, problems: &'a Problems<'a>) -> Option<Plan> {
    let mut lowering = Lowering {
        problems,
        uses: &workflow.uses,
        mode: workflow.mode,
        tasks: Vec::new(),
        function: None,
        calls: Vec::new(),
        used: RefCell::default(),
        spent: Cell::default(),
    };
    let outside = Scope::default();
    let input = lowering.input(&workflow.input, Stage::WorkflowInput, &outside);
    let output = lowering.output(&workflow.output, Stage::WorkflowOutput, &outside);
    let timeout = lowering.timeout(workflow.timeout, Stage::WorkflowInput, &outside);
    lowering.functions();
    let root = lowering.block(&workflow.body, "/do", &outside);
    lowering.check_recursion();
    lowering.check_unused();
    if problems.has_errors() {
        return None;
    }
    Some(Plan {
        name: WorkflowName {
            namespace: workflow.namespace?.value.to_owned(),
            name: workflow.name?.value.to_owned(),
            version: workflow.version?.value.to_owned(),
        },
        digest: Digest::of(problems.source().as_bytes()),
        definition: Arc::new(tree.to_value()),
        tasks: lowering.tasks.into_iter().collect::<Option<Vec<Task>>>()?,
        root,
        input,
        output,
        timeout,
        secrets: workflow.uses.secrets.iter().map(|secret| secret.value.to_owned()).collect(),
    })
}

/// Expressions of one plan. Each takes time to compile; real definitions have tens.
const EXPRESSIONS_MAX: usize = 2_000;
/// Bytes of text in one plan: eight times the longest source.
const TEXT_BYTES_MAX: usize = 4 * 1024 * 1024;

struct Lowering<'a> {
    problems: &'a Problems<'a>,
    uses: &'a Use<'a>,
    mode: Mode,
    /// The plan's arena. A task has its place before its children have theirs, and is filled in after them.
    tasks: Vec<Option<Task>>,
    /// The function of `use.functions` that is being lowered: its index, which is also its task's.
    function: Option<usize>,
    /// Calls of functions by functions: caller, callee, place.
    calls: Vec<(usize, usize, Span)>,
    /// Components of `use` that something names: section and name. The others are checked by themselves.
    used: RefCell<BTreeSet<(&'static str, &'a str)>>,
    /// Bytes of text and expressions so far.
    spent: Cell<(usize, usize)>,
}

impl Lowering<'_> {
    /// A place in the arena.
    fn reserve(&mut self) -> TaskId {
        // A source has at most 20,000 nodes, so that the count always fits.
        let id = TaskId(u32::try_from(self.tasks.len()).unwrap_or(u32::MAX));
        self.tasks.push(None);
        id
    }

    fn fill(&mut self, id: TaskId, task: Task) {
        if let Some(place) = self.tasks.get_mut(id.0 as usize) {
            *place = Some(task);
        }
    }

    /// The tasks of `use.functions`, which come first in the arena, so that calls know their ids beforehand.
    fn functions(&mut self) {
        let uses = self.uses;
        let ids: Vec<TaskId> = uses.functions.0.iter().map(|_| self.reserve()).collect();
        for (index, (id, (key, task))) in ids.into_iter().zip(&uses.functions.0).enumerate() {
            self.function = Some(index);
            let mut pointer = String::from("/use/functions");
            push_segment(&mut pointer, &key.name);
            self.task(id, &key.name, task, pointer, None, &Scope::default());
        }
        self.function = None;
    }

    /// A function that calls itself, directly or through others, would never end.
    fn check_recursion(&self) {
        let down: Vec<(usize, usize)> = self.calls.iter().map(|(caller, callee, _)| (*caller, *callee)).collect();
        let up: Vec<(usize, usize)> = down.iter().map(|(caller, callee)| (*callee, *caller)).collect();
        let circle: BTreeSet<usize> = endless(&down).intersection(&endless(&up)).copied().collect();
        for (_, _, place) in self.calls.iter().filter(|call| circle.contains(&call.0) && circle.contains(&call.1)) {
            let message = "the function calls itself, directly or through another, and would never end";
            let help = "repeat with `for`, or start a workflow with `run.workflow`".to_owned();
            self.problems.error_help(*place, "recursion", message, help);
        }
    }

    /// Counts an expression or a text that goes into the plan; gives whether there is room for it. Components of `use`
    /// are built anew for each task that names them, because each has its own variables.
    fn spend(&self, place: Span, bytes: usize, expressions: usize) -> bool {
        let (spent_bytes, spent_expressions) = self.spent.get();
        let spent = (spent_bytes.saturating_add(bytes), spent_expressions + expressions);
        self.spent.set(spent);
        let fits = |(bytes, expressions)| bytes <= TEXT_BYTES_MAX && expressions <= EXPRESSIONS_MAX;
        if fits((spent_bytes, spent_expressions)) && !fits(spent) {
            let message =
                format!("more than {EXPRESSIONS_MAX} expressions, or {TEXT_BYTES_MAX} bytes of text, in one plan");
            let help = "what tasks share from `use` counts for each of them; split the workflow".to_owned();
            self.problems.error_help(place, "limit", message, help);
        }
        fits(spent)
    }
}

/// The nodes of a graph from which a walk can go on for ever, in time proportional to its edges.
fn endless(edges: &[(usize, usize)]) -> BTreeSet<usize> {
    let mut ways: BTreeMap<usize, usize> = BTreeMap::new();
    let mut sources: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (from, to) in edges {
        *ways.entry(*from).or_default() += 1;
        ways.entry(*to).or_default();
        sources.entry(*to).or_default().push(*from);
    }
    let mut dead_ends: Vec<usize> = ways.iter().filter(|(_, ways)| **ways == 0).map(|(node, _)| *node).collect();
    while let Some(node) = dead_ends.pop() {
        for source in sources.get(&node).into_iter().flatten() {
            if let Some(left) = ways.get_mut(source) {
                *left -= 1;
                if *left == 0 {
                    dead_ends.push(*source);
                }
            }
        }
    }
    ways.into_iter().filter(|(_, left)| *left > 0).map(|(node, _)| node).collect()
}
