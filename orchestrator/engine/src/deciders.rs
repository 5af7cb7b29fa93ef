//! A fixed pool of threads that decide, so that one slow expression does not stop the others.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, Sender, channel},
    },
};

use sagabus_core::{
    decide::{Decision, Environment, decide},
    id::InstanceId,
    time::Timestamp,
};
use sagabus_ports::{Error, Kind, Retry};
use tokio::sync::mpsc::UnboundedSender;

use crate::{
    outgoing::Outgoing,
    wake::{Decided, Job, Running, Wake},
};

/// A cause to decide.
pub(crate) struct Work {
    pub(crate) id: InstanceId,
    pub(crate) running: Box<Running>,
    pub(crate) job: Job,
    pub(crate) now: Timestamp,
}

/// The pool. Its threads end when it is dropped.
pub(crate) struct Deciders {
    work: Sender<Work>,
}

impl Deciders {
    /// Starts one thread for each core.
    ///
    /// # Errors
    /// The machine refuses threads.
    pub(crate) fn start(
        environment: Environment,
        partition: u32,
        inside: &UnboundedSender<Wake>,
    ) -> Result<Self, Error> {
        let (work, queue) = channel();
        let (queue, environment) = (Arc::new(Mutex::new(queue)), Arc::new(environment));
        for number in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            let (queue, environment, inside) = (queue.clone(), environment.clone(), inside.clone());
            std::thread::Builder::new()
                .name(format!("decide-{number}"))
                .spawn(move || run(&queue, &environment, partition, &inside))
                .map_err(|error| Error::new(Kind::Full, Retry::Later, "start a thread").caused_by(error))?;
        }
        Ok(Self { work })
    }

    /// Hands over a cause; the answer is [`Wake::Decided`].
    pub(crate) fn hand(&self, work: Work) {
        // The threads live as long as this sender.
        let _ = self.work.send(work);
    }
}

fn run(queue: &Mutex<Receiver<Work>>, environment: &Environment, partition: u32, inside: &UnboundedSender<Wake>) {
    loop {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Work { id, running, job, now }) = next else { return };
        // A panic is a broken invariant of the core: it costs this one instance, which is set aside.
        let result = catch_unwind(AssertUnwindSafe(|| settle(*running, &job, now, environment, partition)));
        let result = result.unwrap_or_else(|panic| Err(describe(panic.as_ref())));
        if inside.send(Wake::Decided(Box::new(Decided { id, job, result }))).is_err() {
            return;
        }
    }
}

fn settle(
    running: Running,
    job: &Job,
    now: Timestamp,
    environment: &Environment,
    partition: u32,
) -> Result<(Box<Running>, Decision, Outgoing), String> {
    let Running { instance, plan, mut narrator } = running;
    let (instance, decision) = decide(&plan, instance, &job.cause, now, environment);
    if let Some(broken) = decision.broken {
        return Err(broken);
    }
    let outgoing = decision.entry.as_ref().map_or_else(Outgoing::default, |entry| {
        let told = narrator.tell(entry, instance.status());
        Outgoing::of(instance.id(), entry.seq, &decision.effects, &told, partition, now)
    });
    Ok((Box::new(Running { instance, plan, narrator }), decision, outgoing))
}

fn describe(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    format!("deciding broke down: {}", text.unwrap_or("no reason given"))
}
