//! Lists of tasks: order, flow directives, names.

use sagabus_core::plan::{Block, TaskId, Then};

use super::{Lowering, reach, scope::Scope};
use crate::{
    ast::{Item, List},
    fields::Text,
    pointer::push_segment,
    problems::quoted,
};

impl<'a> Lowering<'a> {
    /// Tasks that run one after another. `pointer` is that of the list.
    pub(super) fn block(&mut self, list: &'a List<'a>, pointer: &str, scope: &Scope<'a>) -> Block {
        let mut tasks = Vec::with_capacity(list.items.len());
        for item in &list.items {
            tasks.push(self.item(item, pointer, Some(list), scope));
        }
        self.check_reach(list);
        Block { tasks }
    }

    /// Tasks that run beside each other: none can go to another.
    pub(super) fn branches(&mut self, list: &'a List<'a>, pointer: &str, scope: &Scope<'a>) -> Vec<TaskId> {
        list.items.iter().map(|item| self.item(item, pointer, None, scope)).collect()
    }

    fn item(
        &mut self,
        item: &'a Item<'a>,
        list_pointer: &str,
        list: Option<&'a List<'a>>,
        scope: &Scope<'a>,
    ) -> TaskId {
        let mut pointer = list_pointer.to_owned();
        if let Some(index) = item.index {
            push_segment(&mut pointer, &index.to_string());
            push_segment(&mut pointer, item.name);
        }
        let id = self.reserve();
        self.task(id, item.name, &item.task, pointer, list, scope);
        id
    }

    /// A flow directive of a task in this list.
    pub(super) fn then(&self, then: Option<Text<'a>>, list: Option<&'a List<'a>>) -> Then {
        let Some(text) = then else { return Then::Continue };
        match text.value {
            "continue" => Then::Continue,
            "exit" => Then::Exit,
            "end" => Then::End,
            name => self.goto(text, name, list),
        }
    }

    fn goto(&self, text: Text<'a>, name: &str, list: Option<&'a List<'a>>) -> Then {
        let items = list.map_or(&[][..], |list| &list.items);
        if let Some(index) = items.iter().position(|item| item.name == name) {
            return Then::Goto(index);
        }
        let message = match list {
            Some(_) => format!("there is no task {} in this list of tasks", quoted(name)),
            None => format!("a task that runs by itself cannot go on at {}", quoted(name)),
        };
        let help = match list {
            Some(_) => {
                let directives = ["continue", "exit", "end"];
                self.problems.suggestion(name, items.iter().map(|item| item.name).chain(directives))
            }
            None => Some("branches and functions know `continue`, `exit` and `end` only".to_owned()),
        };
        self.problems.error_help(text.place(), "unknown-task", message, help);
        Then::Continue
    }

    /// Warns of tasks that nothing leads to.
    fn check_reach(&self, list: &'a List<'a>) {
        for index in reach::unreachable(list) {
            let item = &list.items[index];
            let message = format!("nothing leads to {}", quoted(item.name));
            let help = "the tasks before it never continue here; remove it, or go to it with `then`";
            self.problems.warning(item.place, "unreachable", message, help);
        }
    }
}
