//! Random workflows, built from a grammar as YAML text: every kind of task, every way to go on, up to a depth.
//!
//! They end, whatever their tasks answer: loops are counted, retries limited, waits short, and every event that they listen
//! for comes again and again (see [`EVENT_TYPES`]).

use serde_json::{Map, Value, json};

use crate::random::Random;

/// Types of the events that random workflows emit and listen for.
pub const EVENT_TYPES: [&str; 3] = ["sim.a", "sim.b", "sim.c"];

/// Functions of the adapter `party` that random workflows call; the simulated third party treats each in its own way.
pub const FUNCTIONS: [&str; 4] = ["steady", "shaky", "strict", "slow"];

/// Blocks within blocks.
const DEPTH_MAX: u32 = 5;

/// Tasks of one workflow.
const TASKS_MAX: u32 = 30;

/// How often one task may be executed by the loops and retries around it together.
const REPEATS_MAX: u32 = 24;

/// What a random workflow may be made of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Words {
    /// Everything.
    All,
    /// Only what does the same however long things take: no timeout, nothing that runs beside something else, no events.
    Timeless,
}

/// A random workflow `sim/<name>:1.0.0` as YAML. `children` are names of workflows that it may run as sub-flows.
#[must_use]
pub fn workflow(random: &mut Random, name: &str, children: &[&str], words: Words) -> String {
    let mut grower =
        Grower { random, children, timeless: words == Words::Timeless, functions: false, tasks: 0, counters: 0 };
    let shared = grower.random.per_mille(250).then(|| grower.task(DEPTH_MAX - 2, REPEATS_MAX / 3));
    grower.functions = shared.is_some();
    let tasks = grower.block(0, 1);
    let mut document = json!({
        "document": { "dsl": "1.0.3", "namespace": "sim", "name": name, "version": "1.0.0" },
        "do": tasks,
    });
    if let Some(shared) = shared {
        document["use"] = json!({ "functions": { "shared": shared } });
    }
    if !grower.timeless && grower.random.per_mille(100) {
        document["timeout"] = json!({ "after": { "seconds": 1 + grower.random.below(300) } });
    }
    if grower.random.per_mille(200) {
        document["output"] = json!({ "as": { "result": "${ . }", "count": "${ [..] | length }" } });
    }
    yaml(&document, 0)
}

struct Grower<'a> {
    random: &'a mut Random,
    children: &'a [&'a str],
    timeless: bool,
    /// Whether there is a function `shared` to call.
    functions: bool,
    tasks: u32,
    counters: u32,
}

impl Grower<'_> {
    /// A block of one to four tasks; the names are known first, so that tasks can go to later ones.
    fn block(&mut self, depth: u32, repeats: u32) -> Value {
        if self.random.per_mille(80) && repeats * 3 <= REPEATS_MAX {
            return self.counted_loop(depth, repeats * 3);
        }
        let count = 1 + self.random.below(4);
        let names: Vec<String> = (0..count).map(|_| self.name()).collect();
        let mut block = Vec::new();
        for (index, name) in names.iter().enumerate() {
            let mut task = self.task(depth, repeats);
            self.decorate(&mut task, &names[index + 1..]);
            block.push(json!({ name: task }));
        }
        Value::Array(block)
    }

    /// A loop by `then`: its tasks are visited three times.
    fn counted_loop(&mut self, depth: u32, repeats: u32) -> Value {
        self.counters += 1;
        let counter = format!("c{}", self.counters);
        let (head, body, test) = (self.name(), self.name(), self.name());
        // Counted from 0 at each entry, so that the loop may stand in another one.
        let start = json!({ "set": { "counted": counter }, "export": { "as": format!("${{ ($context // {{}}) + {{{counter}: 0}} }}") } });
        let count = format!("${{ $context + {{{counter}: ($context.{counter} + 1)}} }}");
        let mut task = self.task(depth, repeats);
        task["export"] = json!({ "as": count });
        let again = json!({ "when": format!("${{ $context.{counter} < 3 }}"), "then": body });
        json!([
            { head: start },
            { body: task },
            { test: { "switch": [{ "again": again }, { "enough": { "then": "continue" } }] } },
        ])
    }

    fn name(&mut self) -> String {
        self.tasks += 1;
        format!("t{}", self.tasks)
    }

    /// Properties that all kinds of tasks share.
    fn decorate(&mut self, task: &mut Value, later: &[String]) {
        if self.random.per_mille(60) {
            let condition = self.random.pick(&["${ true }", "${ false }", "${ ([..] | length) > 2 }"]);
            task["if"] = json!(condition);
        }
        if !self.timeless && self.random.per_mille(60) {
            task["timeout"] = json!({ "after": { "milliseconds": 200 + self.random.below(20_000) } });
        }
        if self.random.per_mille(80) {
            let transform = self.random.pick(&["${ { size: ([..] | length) } }", "${ [.] }", "${ error(\"unfit\") }"]);
            task["output"] = json!({ "as": transform });
        }
        if self.random.per_mille(60) {
            task["input"] = json!({ "from": "${ { before: ([..] | length) } }" });
        }
        let directive = self.random.below(1000);
        if directive < 20 {
            task["then"] = json!("exit");
        } else if directive < 25 {
            task["then"] = json!("end");
        } else if directive < 70 && !later.is_empty() {
            task["then"] = json!(self.random.pick(later));
        }
    }

    fn task(&mut self, depth: u32, repeats: u32) -> Value {
        if depth >= DEPTH_MAX || self.tasks >= TASKS_MAX || self.random.per_mille(450) {
            return self.leaf();
        }
        match self.random.below(6) {
            0 => json!({ "do": self.block(depth + 1, repeats) }),
            1 if repeats * 3 <= REPEATS_MAX => self.for_each(depth + 1, repeats * 3),
            2 if !self.timeless => self.fork(depth + 1, repeats),
            3 | 4 if repeats * 3 <= REPEATS_MAX => self.try_catch(depth + 1, repeats * 3),
            5 if !self.timeless && repeats * 3 <= REPEATS_MAX && self.random.per_mille(400) => {
                self.listen(Some((depth + 1, repeats * 3)))
            }
            _ => self.leaf(),
        }
    }

    fn leaf(&mut self) -> Value {
        match self.random.below(20) {
            0..=2 | 5..=7 => self.call(),
            8..=10 => json!({ "set": { "n": self.random.below(9), "of": "${ [..] | length }" } }),
            11 => json!({ "wait": { "milliseconds": self.random.below(5_000) } }),
            12 => json!({ "wait": format!("PT{}S", self.random.below(4)) }),
            13 => self.raise(),
            4 if self.functions => json!({ "call": "shared", "with": { "n": self.random.below(3) } }),
            14 => self.emit(),
            15 if !self.timeless => self.listen(None),
            3 => json!({ "switch": [
                { "big": { "when": "${ ([..] | length) > 3 }", "then": "continue" } },
                { "other": { "then": "continue" } },
            ] }),
            16 => json!({ "run": { "shell": { "command": "true" }, "await": self.random.per_mille(500) } }),
            17 if self.random.per_mille(100) => json!({ "set": "${ .nothing | tostring | fromjson | error }" }),
            18 | 19 if !self.children.is_empty() => self.sub_flow(),
            _ => self.call(),
        }
    }

    fn call(&mut self) -> Value {
        let function = self.random.pick(&FUNCTIONS);
        // Few different arguments, so that only the place tells many calls apart.
        let arguments = json!({ "n": self.random.below(2), "size": "${ [..] | length }" });
        json!({ "call": format!("{function}@party"), "with": arguments })
    }

    fn raise(&mut self) -> Value {
        let status = *self.random.pick(&[400, 409, 503]);
        let kind = self.random.pick(&["communication", "validation", "runtime"]);
        let kind = format!("https://open-workflow-specification.org/spec/1.0.0/errors/{kind}");
        json!({ "raise": { "error": { "type": kind, "status": status, "title": "Raised" } } })
    }

    fn emit(&mut self) -> Value {
        let kind = self.random.pick(&EVENT_TYPES);
        json!({ "emit": { "event": { "with": { "source": "https://sim", "type": kind, "data": { "from": "sim" } } } } })
    }

    fn listen(&mut self, foreach: Option<(u32, u32)>) -> Value {
        let correlated = self.random.per_mille(200);
        let filter = |kind: &str| {
            let mut filter = json!({ "with": { "type": kind } });
            if correlated {
                filter["correlate"] = json!({ "tide": { "from": "${ .data.tide }" } });
            }
            filter
        };
        let (one, other) = (*self.random.pick(&EVENT_TYPES), *self.random.pick(&EVENT_TYPES));
        let to = match self.random.below(5) {
            0 | 1 => json!({ "one": filter(one) }),
            2 => json!({ "all": [filter(one), filter(other)] }),
            3 => json!({ "any": [filter(one), filter(other)] }),
            _ if self.random.per_mille(500) => json!({ "any": [filter(one)], "until": "${ length >= 2 }" }),
            _ => json!({ "any": [filter(one)], "until": { "one": filter(other) } }),
        };
        match foreach {
            Some((depth, repeats)) => {
                json!({ "listen": { "to": to }, "foreach": { "item": "got", "do": self.block(depth, repeats) } })
            }
            None => json!({ "listen": { "to": to } }),
        }
    }

    fn sub_flow(&mut self) -> Value {
        let name = self.random.pick(self.children);
        // Now and then one that is not deployed.
        let name = if self.random.per_mille(50) { "missing" } else { name };
        let workflow =
            json!({ "namespace": "sim", "name": name, "version": "1.0.0", "input": { "size": "${ [..] | length }" } });
        json!({ "run": { "workflow": workflow, "await": self.random.per_mille(800) } })
    }

    fn for_each(&mut self, depth: u32, repeats: u32) -> Value {
        let items = self.random.pick(&["${ [1, 2, 3] }", "${ [range(2)] }", "${ [] }", "${ [{a: 1}, null] }"]);
        let mut task = json!({ "for": { "each": "item", "in": items }, "do": self.block(depth, repeats) });
        if self.random.per_mille(200) {
            task["while"] = json!("${ $index < 2 }");
        }
        task
    }

    fn fork(&mut self, depth: u32, repeats: u32) -> Value {
        let branches: Vec<Value> = (0..=1 + self.random.below(2))
            .map(|_| {
                let name = self.name();
                json!({ name: self.task(depth, repeats) })
            })
            .collect();
        json!({ "fork": { "branches": branches, "compete": self.random.per_mille(400) } })
    }

    fn try_catch(&mut self, depth: u32, repeats: u32) -> Value {
        let mut catch = Map::new();
        if self.random.per_mille(300) {
            catch.insert("errors".into(), json!({ "with": { "status": *self.random.pick(&[400, 503, 408]) } }));
        }
        if self.random.per_mille(200) {
            catch.insert("when".into(), json!("${ $error.status != 409 }"));
        }
        if self.random.per_mille(100) {
            catch.insert("exceptWhen".into(), json!("${ $error.status == 503 }"));
        }
        if self.random.per_mille(100) {
            catch.insert("then".into(), json!(self.random.pick(&["continue", "exit", "end"])));
        }
        if self.random.per_mille(700) {
            catch.insert("retry".into(), self.retry());
        }
        if catch.is_empty() || self.random.per_mille(600) {
            catch.insert("as".into(), json!("error"));
            catch.insert("do".into(), self.block(depth, repeats));
        }
        json!({ "try": self.block(depth, repeats), "catch": catch })
    }

    fn retry(&mut self) -> Value {
        let backoff = *self.random.pick(&["constant", "linear", "exponential"]);
        let mut limit = json!({ "attempt": { "count": 1 + self.random.below(2) } });
        if !self.timeless && self.random.per_mille(250) {
            limit["attempt"]["duration"] = json!({ "milliseconds": 100 + self.random.below(8_000) });
        }
        if !self.timeless && self.random.per_mille(200) {
            limit["duration"] = json!({ "seconds": 1 + self.random.below(60) });
        }
        let delay_ms = self.random.below(3_000);
        let mut policy = json!({ "delay": { "milliseconds": delay_ms }, "backoff": { backoff: {} }, "limit": limit });
        if self.random.per_mille(300) {
            policy["jitter"] = json!({ "from": { "milliseconds": 0 }, "to": { "milliseconds": 500 } });
        }
        policy
    }
}

/// Plain block YAML, as people write it; scalars as JSON has them, which YAML has too.
fn yaml(value: &Value, indent: usize) -> String {
    let pad = " ".repeat(indent);
    match value {
        Value::Object(members) if !members.is_empty() => members
            .iter()
            .map(|(name, member)| match member {
                Value::Object(inner) if !inner.is_empty() => format!("{pad}{name}:\n{}", yaml(member, indent + 2)),
                Value::Array(inner) if !inner.is_empty() => format!("{pad}{name}:\n{}", yaml(member, indent + 2)),
                scalar => format!("{pad}{name}: {scalar}\n"),
            })
            .collect(),
        Value::Array(items) if !items.is_empty() => items
            .iter()
            .map(|item| {
                let block = yaml(item, indent + 2);
                format!("{pad}- {}", block.trim_start())
            })
            .collect(),
        scalar => format!("{pad}{scalar}\n"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::yaml;

    #[test]
    fn yaml_reads_back_as_what_was_written() {
        let value =
            json!({ "do": [{ "a": { "set": {}, "if": "${ true }" } }, 3, [1, [2]]], "x": null, "y": { "z": [] } });
        let read: Value = serde_saphyr::from_str(&yaml(&value, 0)).unwrap();
        assert_eq!(read, value);
    }
}
