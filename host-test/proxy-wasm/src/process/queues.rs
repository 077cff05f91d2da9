//! Shared queues. Whoever registered a queue last is told of what is put into it, and nobody else.

use std::collections::{BTreeMap, VecDeque};

use crate::status::Status;

#[derive(Debug, Default)]
pub(crate) struct Queues {
    tokens: BTreeMap<(String, String), u32>,
    queues: BTreeMap<u32, Queue>,
    ready: Vec<Ready>,
}

#[derive(Debug)]
struct Queue {
    worker: u32,
    root: u32,
    values: VecDeque<Vec<u8>>,
}

/// A value was put into a queue, and this is to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ready {
    pub(crate) worker: u32,
    pub(crate) root: u32,
    pub(crate) token: u32,
}

impl Queues {
    pub(crate) fn register(&mut self, vm_id: &str, name: &str, worker: u32, root: u32) -> u32 {
        let next = u32::try_from(self.tokens.len() + 1).unwrap_or(u32::MAX);
        let token = *self.tokens.entry((vm_id.to_owned(), name.to_owned())).or_insert(next);
        let queue =
            self.queues.entry(token).or_insert(Queue { worker, root, values: VecDeque::new() });
        (queue.worker, queue.root) = (worker, root);
        token
    }

    pub(crate) fn resolve(&self, vm_id: &str, name: &str) -> Result<u32, Status> {
        let key = (vm_id.to_owned(), name.to_owned());
        self.tokens.get(&key).copied().ok_or(Status::NotFound)
    }

    pub(crate) fn enqueue(&mut self, token: u32, value: Vec<u8>) -> Result<(), Status> {
        let queue = self.queues.get_mut(&token).ok_or(Status::NotFound)?;
        queue.values.push_back(value);
        self.ready.push(Ready { worker: queue.worker, root: queue.root, token });
        Ok(())
    }

    pub(crate) fn dequeue(&mut self, token: u32) -> Result<Vec<u8>, Status> {
        let queue = self.queues.get_mut(&token).ok_or(Status::NotFound)?;
        queue.values.pop_front().ok_or(Status::Empty)
    }

    /// What a worker is to be told.
    pub(crate) fn take_ready(&mut self, worker: u32) -> Vec<Ready> {
        let (mine, rest) =
            std::mem::take(&mut self.ready).into_iter().partition(|ready| ready.worker == worker);
        self.ready = rest;
        mine
    }
}
