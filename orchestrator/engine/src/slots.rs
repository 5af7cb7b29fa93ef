//! The instances that the loop has in hand: one slot each, one decision at a time in each, causes in their order.

use std::collections::{BTreeMap, HashMap, VecDeque};

use sagabus_core::{
    id::InstanceId,
    instance::{Instance, Status},
};

use crate::{
    lifecycle::Narrator,
    wake::{Job, Origin, Running},
};

/// All slots. Instances without a cause are kept only while they run, and only so many.
pub(crate) struct Slots {
    slots: HashMap<InstanceId, Slot>,
    /// Slots with a cause whose instance is not in memory. Each once.
    absent: VecDeque<InstanceId>,
    /// Slots with a cause whose instance is at rest in memory. Each once.
    ready: VecDeque<InstanceId>,
    /// Slots at rest without a cause, by the order in which they came to rest.
    idle: BTreeMap<u64, InstanceId>,
    rested: u64,
    waiting: usize,
    limit: usize,
}

struct Slot {
    state: State,
    queue: VecDeque<Job>,
}

enum State {
    /// Not in memory.
    Absent,
    /// Being loaded.
    Loading,
    /// Its plan is being looked up: the start itself follows.
    Preparing,
    /// In memory, at rest; the number is its place in `idle`, if it has no cause.
    Idle(Box<Running>, u64),
    /// Being decided or committed.
    Busy,
    /// Unreadable: set aside with its journal.
    Parked(String),
}

impl Slots {
    /// No slots; at most `limit` instances at rest.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            slots: HashMap::new(),
            absent: VecDeque::new(),
            ready: VecDeque::new(),
            idle: BTreeMap::new(),
            rested: 0,
            waiting: 0,
            limit,
        }
    }

    /// How many instances there are, in memory or with a cause.
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// How many causes wait for a decision.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Why an instance is set aside, if it is.
    pub(crate) fn parked(&self, id: InstanceId) -> Option<&str> {
        match &self.slots.get(&id)?.state {
            State::Parked(reason) => Some(reason),
            _ => None,
        }
    }

    /// Takes a cause for an instance, wherever that is.
    pub(crate) fn push(&mut self, id: InstanceId, job: Job) {
        let slot = self.slots.entry(id).or_insert_with(|| Slot { state: State::Absent, queue: VecDeque::new() });
        if slot.queue.is_empty() {
            match &slot.state {
                State::Absent => self.absent.push_back(id),
                State::Idle(_, place) => {
                    self.idle.remove(place);
                    self.ready.push_back(id);
                }
                State::Loading | State::Preparing | State::Busy | State::Parked(_) => {}
            }
        }
        slot.queue.push_back(job);
        self.waiting += 1;
    }

    /// Announces a start whose plan is being looked up: causes that come meanwhile wait for it.
    pub(crate) fn prepare(&mut self, id: InstanceId) {
        self.slots.entry(id).or_insert_with(|| Slot { state: State::Preparing, queue: VecDeque::new() });
    }

    /// A start whose plan is found. What is in hand or stored already stays: it answers as a repetition.
    pub(crate) fn start(&mut self, id: InstanceId, job: Job) {
        match self.slots.get(&id).map(|slot| &slot.state) {
            None => self.prepare(id),
            Some(State::Preparing) => {}
            Some(_) => return self.push(id, job),
        }
        self.waiting += 1;
        self.begin(id, job);
    }

    /// There is no such instance after all: gives back its causes, unless one of them starts it.
    pub(crate) fn missing(&mut self, id: InstanceId) -> Vec<Job> {
        let Some(slot) = self.slots.get_mut(&id) else { return Vec::new() };
        let start = slot.queue.iter().position(|job| matches!(job.origin, Origin::Start(..)));
        if let Some(job) = start.and_then(|place| slot.queue.remove(place)) {
            self.begin(id, job);
            return Vec::new();
        }
        let jobs = self.slots.remove(&id).map(|slot| slot.queue).unwrap_or_default();
        self.waiting -= jobs.len();
        jobs.into()
    }

    /// Puts a start, which is counted already, at the head of its slot, with an instance that nothing has happened to.
    fn begin(&mut self, id: InstanceId, job: Job) {
        let Some(slot) = self.slots.get_mut(&id) else { return };
        if let Origin::Start(start, _) = &job.origin {
            let running = Running {
                instance: Instance::new(id),
                plan: start.plan.clone(),
                narrator: Narrator::new(id, &start.plan.name),
            };
            slot.state = State::Idle(Box::new(running), 0);
            slot.queue.push_front(job);
            self.ready.push_back(id);
        }
    }

    /// Sets an unreadable instance aside and gives back its causes.
    pub(crate) fn park(&mut self, id: InstanceId, reason: String) -> Vec<Job> {
        let slot = self.slots.entry(id).or_insert_with(|| Slot { state: State::Absent, queue: VecDeque::new() });
        slot.state = State::Parked(reason);
        let jobs = std::mem::take(&mut slot.queue);
        self.waiting -= jobs.len();
        jobs.into()
    }

    /// Up to `most` instances that are to be loaded.
    pub(crate) fn take_absent(&mut self, most: usize) -> Vec<InstanceId> {
        let ids: Vec<_> = self.absent.drain(..most.min(self.absent.len())).collect();
        for id in &ids {
            if let Some(slot) = self.slots.get_mut(id) {
                slot.state = State::Loading;
            }
        }
        ids
    }

    /// An instance and its next cause, to be decided.
    pub(crate) fn take_ready(&mut self) -> Option<(InstanceId, Box<Running>, Job)> {
        let id = self.ready.pop_front()?;
        let slot = self.slots.get_mut(&id)?;
        let State::Idle(running, _) = std::mem::replace(&mut slot.state, State::Busy) else { return None };
        let job = slot.queue.pop_front()?;
        self.waiting -= 1;
        Some((id, running, job))
    }

    /// An instance comes to rest: after its load, a decision without consequence, or a commit.
    pub(crate) fn rest(&mut self, id: InstanceId, running: Box<Running>) {
        let Some(slot) = self.slots.get_mut(&id) else { return };
        if !slot.queue.is_empty() {
            slot.state = State::Idle(running, 0);
            self.ready.push_back(id);
        } else if running.instance.status() == Status::Running && self.limit > 0 {
            self.rested += 1;
            slot.state = State::Idle(running, self.rested);
            self.idle.insert(self.rested, id);
            self.evict();
        } else {
            self.slots.remove(&id);
        }
    }

    /// Forgets what memory says about an instance: it is loaded again for this cause, if any, and for those that wait.
    pub(crate) fn reload(&mut self, id: InstanceId, job: Option<Job>) {
        let Some(slot) = self.slots.get_mut(&id) else { return };
        if let Some(job) = job {
            slot.queue.push_front(job);
            self.waiting += 1;
        }
        if slot.queue.is_empty() {
            self.slots.remove(&id);
        } else {
            slot.state = State::Absent;
            self.absent.push_back(id);
        }
    }

    /// Forgets those that rested longest, down to the limit.
    fn evict(&mut self) {
        while self.idle.len() > self.limit {
            if let Some((_, id)) = self.idle.pop_first() {
                self.slots.remove(&id);
            }
        }
    }
}

#[cfg(test)]
#[path = "slots/tests.rs"]
mod tests;
