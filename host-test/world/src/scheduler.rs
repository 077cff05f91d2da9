//! The scheduler: worker threads, of which exactly one runs at a time.
//!
//! A worker that is about to call the host may have to wait there while others run. What it has
//! read before is then as old as it can get in a real proxy.

use std::ops::ControlFlow;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::world::{Step, World};

/// Who of the workers runs, and the world that they share.
pub(crate) struct Scheduler {
    world: Mutex<World>,
    /// What wakes each worker.
    wakers: Vec<Condvar>,
}

impl Scheduler {
    pub(crate) fn new(world: World, workers: usize) -> Self {
        let wakers = (0..workers).map(|_| Condvar::new()).collect();
        Self { world: Mutex::new(world), wakers }
    }

    /// The world, for the worker whose turn it is.
    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for this worker's turn, and gives its next step; `None`: it is over.
    pub(crate) fn next(&self, worker: usize) -> Option<Step> {
        let mut world = self.world();
        if world.turn != worker {
            world = self.wait(world, worker);
        }
        loop {
            let Some(next) = world.next(worker) else {
                self.end(&mut world);
                return None;
            };
            if next == worker {
                return Some(world.step(worker));
            }
            world = self.hand_over(world, worker, next);
        }
    }

    /// A worker is about to call the host, or dies there.
    pub(crate) fn hostcall(&self, worker: usize, name: &'static str) -> ControlFlow<()> {
        let mut world = self.world();
        let next = world.hostcall(worker, name);
        if next != worker {
            world = self.hand_over(world, worker, next);
            let (now, what) = (world.now, crate::trace::What::Resumed);
            if !world.over {
                world.trace.add(now, worker, what);
            }
        }
        if world.over {
            self.end(&mut world);
            return ControlFlow::Continue(());
        }
        world.before_call(worker)
    }

    fn hand_over<'a>(
        &'a self,
        mut world: MutexGuard<'a, World>,
        worker: usize,
        next: usize,
    ) -> MutexGuard<'a, World> {
        world.turn = next;
        // Who is woken finds the door open.
        drop(world);
        self.wakers[next].notify_one();
        self.wait(self.world(), worker)
    }

    fn wait<'a>(
        &'a self,
        mut world: MutexGuard<'a, World>,
        worker: usize,
    ) -> MutexGuard<'a, World> {
        while world.turn != worker && !world.over {
            world = self.wakers[worker].wait(world).unwrap_or_else(PoisonError::into_inner);
        }
        world
    }

    /// Wakes all, so that they go.
    fn end(&self, world: &mut World) {
        world.over = true;
        for waker in &self.wakers {
            waker.notify_all();
        }
    }

    pub(crate) fn into_world(self) -> World {
        self.world.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}
