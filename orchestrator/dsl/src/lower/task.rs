//! A task of any kind.

use sagabus_core::plan::{
    Block, Case, Consumption, ErrorFilter, For, Foreach, Fork, Function, Kind, Listen, Task, TaskId, Try,
};

use super::{
    Lowering,
    expression::nothing,
    scope::{Scope, Stage},
};
use crate::{ast, ast::List, tree::Content};

impl<'a> Lowering<'a> {
    /// Fills a reserved place. `list` is the list that the task stands in, if its `then` can name others of it.
    pub(super) fn task(
        &mut self,
        id: TaskId,
        name: &str,
        task: &'a ast::Task<'a>,
        pointer: String,
        list: Option<&'a List<'a>>,
        scope: &Scope<'a>,
    ) {
        let kind = task.kind.as_ref().and_then(|kind| self.kind(kind, &pointer, list, scope));
        let condition = self.condition(task.condition, Stage::Before, scope);
        let input = self.input(&task.input, Stage::Before, scope);
        let output = self.output(&task.output, Stage::Definition, scope);
        let export = task.export.as_ref().map(|export| self.export(export, scope));
        let timeout = self.timeout(task.timeout, Stage::Definition, scope);
        let then = self.then(task.then, list);
        if let Some(kind) = kind {
            let (name, reference) = (name.into(), pointer.into());
            self.fill(id, Task { name, reference, condition, input, output, export, timeout, then, kind });
        }
    }

    fn kind(
        &mut self,
        kind: &'a ast::Kind<'a>,
        pointer: &str,
        list: Option<&'a List<'a>>,
        scope: &Scope<'a>,
    ) -> Option<Kind> {
        let stage = Stage::Definition;
        Some(match kind {
            ast::Kind::Set(node) => Kind::Set(self.transform(node, stage, scope)),
            ast::Kind::Do(body) => Kind::Do(self.block(body, &format!("{pointer}/do"), scope)),
            ast::Kind::For(task) => Kind::For(self.for_task(task, pointer, scope)),
            ast::Kind::Fork(task) => Kind::Fork(Fork {
                branches: self.branches(&task.branches, &format!("{pointer}/fork/branches"), scope),
                compete: task.compete,
            }),
            ast::Kind::Switch(cases) => Kind::Switch(cases.iter().map(|case| self.case(case, list, scope)).collect()),
            ast::Kind::Try(task) => Kind::Try(self.try_task(task, pointer, list, scope)),
            ast::Kind::Raise(error) => Kind::Raise(self.raise(error, scope)?),
            ast::Kind::Wait(duration) => Kind::Wait(self.duration(*duration, stage, scope)?),
            ast::Kind::Emit(attributes) => Kind::Emit(self.emit(*attributes, scope)),
            ast::Kind::Listen(task) => Kind::Listen(self.listen(task, pointer, scope)?),
            ast::Kind::Call(call) => return self.call(call, scope),
            ast::Kind::Run(run) => return self.run(run, scope),
        })
    }

    fn for_task(&mut self, task: &'a ast::For<'a>, pointer: &str, scope: &Scope<'a>) -> For {
        let each = self.variable(task.each, "item");
        let at = self.variable(task.at, "index");
        let inside = scope.with(&[each, at]);
        let items = match task.items {
            Some(node) if matches!(node.content, Content::String(_)) => self.transform(node, Stage::Definition, scope),
            Some(node) => self.template(node, Stage::Definition, scope),
            None => nothing(),
        };
        For {
            each: each.into(),
            at: at.into(),
            items,
            condition: self.condition(task.condition, Stage::Definition, &inside),
            body: self.block(&task.body, &format!("{pointer}/do"), &inside),
        }
    }

    fn case(&self, case: &'a ast::Case<'a>, list: Option<&'a List<'a>>, scope: &Scope<'a>) -> Case {
        Case {
            name: case.name.name.as_str().into(),
            when: self.condition(case.when, Stage::Definition, scope),
            then: self.then(case.then, list),
        }
    }

    fn try_task(
        &mut self,
        task: &'a ast::Try<'a>,
        pointer: &str,
        list: Option<&'a List<'a>>,
        scope: &Scope<'a>,
    ) -> Try {
        let catch = &task.catch;
        let variable = self.variable(catch.variable, "error");
        let inside = scope.with(&[variable]);
        let body = self.block(&task.body, &format!("{pointer}/try"), scope);
        let retry = catch.retry.as_ref().and_then(|retry| self.retry(retry, &inside));
        let handler: Option<Block> =
            catch.handler.as_ref().map(|handler| self.block(handler, &format!("{pointer}/catch/do"), &inside));
        let text = |text: Option<crate::fields::Text<'a>>| text.map(|text| text.value.to_owned());
        Try {
            body,
            filter: ErrorFilter {
                kind: text(catch.filter.kind),
                status: catch.filter.status,
                title: text(catch.filter.title),
                detail: text(catch.filter.detail),
                instance: text(catch.filter.instance),
            },
            variable: variable.into(),
            when: self.condition(catch.when, Stage::Definition, &inside),
            except_when: self.condition(catch.except_when, Stage::Definition, &inside),
            retry,
            handler,
            then: catch.then.map(|then| self.then(Some(then), list)),
        }
    }

    fn listen(&mut self, task: &'a ast::Listen<'a>, pointer: &str, scope: &Scope<'a>) -> Option<Listen> {
        let to: Option<Consumption> = task.to.as_ref().map(|to| self.consumption(to, scope));
        let foreach = task.foreach.as_ref().map(|foreach| self.foreach(foreach, pointer, scope));
        Some(Listen { to: to?, read: task.read, foreach })
    }

    fn foreach(&mut self, foreach: &'a ast::Foreach<'a>, pointer: &str, scope: &Scope<'a>) -> Foreach {
        let item = self.variable(foreach.item, "item");
        let at = self.variable(foreach.at, "index");
        let inside = scope.with(&[item, at]);
        let body = foreach.body.as_ref().map(|body| self.block(body, &format!("{pointer}/foreach/do"), &inside));
        Foreach {
            item: item.into(),
            at: at.into(),
            body,
            output: self.output(&foreach.output, Stage::Definition, &inside),
            export: foreach.export.as_ref().map(|export| self.export(export, &inside)),
        }
    }

    /// A call of a function of `use.functions`.
    pub(super) fn function_call(&mut self, index: usize, with: Option<sagabus_core::plan::Template>) -> Kind {
        // As many functions as fit into a source; their tasks come first in the arena.
        let task = TaskId(u32::try_from(index).unwrap_or(u32::MAX));
        Kind::Function(Function { task, with })
    }
}
