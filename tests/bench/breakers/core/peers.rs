//! The breakers of other crates, with the same policies as far as they have them.

use std::cell::RefCell;
use std::future::{Ready, ready};
use std::pin::pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Instant;

use ::failsafe::CircuitBreaker as _;
use ::failsafe::{Config, StateMachine, backoff, failure_policy};
use ::recloser::Recloser;
use reliakit_circuit::{CircuitBreaker, RollingBreaker};
use tower::{Service, ServiceExt as _};
use tower_resilience_circuitbreaker::{CircuitBreakerLayer, SlidingWindowType};

use crate::{CALLS, FAILURES, PERCENT, Policy, Shared, TIME, WAIT};

const SHARE: f64 = PERCENT as f64 / 100.0;
/// With fewer calls no share opens.
const AT_LEAST: u32 = 20;

/// A breaker whose handle is itself.
struct Direct<T>(T, fn(&T, bool) -> bool);

impl<T: Sync> Shared for Direct<T> {
    fn handle(&self) -> Box<dyn FnMut(bool) -> bool + '_> {
        Box::new(|ends_well| (self.1)(&self.0, ends_well))
    }
}

const fn ended(ends_well: bool) -> Result<(), ()> {
    if ends_well { Ok(()) } else { Err(()) }
}

pub(crate) fn failsafe(policy: Policy) -> Option<Box<dyn Shared>> {
    fn call<P: failure_policy::FailurePolicy>(it: &StateMachine<P, ()>, ends_well: bool) -> bool {
        !matches!(it.call(|| ended(ends_well)), Err(::failsafe::Error::Rejected))
    }
    let wait = backoff::constant(WAIT);
    match policy {
        Policy::Consecutive => {
            let policy = failure_policy::consecutive_failures(FAILURES, wait);
            Some(Box::new(Direct(Config::new().failure_policy(policy).build(), call)))
        }
        Policy::Time => {
            let policy =
                failure_policy::success_rate_over_time_window(1.0 - SHARE, AT_LEAST, TIME, wait);
            Some(Box::new(Direct(Config::new().failure_policy(policy).build(), call)))
        }
        Policy::Calls => None,
    }
}

pub(crate) fn recloser(policy: Policy) -> Option<Box<dyn Shared>> {
    fn call(it: &Recloser, ends_well: bool) -> bool {
        !matches!(it.call(|| ended(ends_well)), Err(::recloser::Error::Rejected))
    }
    let breaker = || Recloser::custom().error_rate(SHARE as f32).closed_len(CALLS).open_wait(WAIT);
    (policy == Policy::Calls).then(|| Box::new(Direct(breaker().build(), call)) as Box<dyn Shared>)
}

/// What the layer is put around: it answers at once.
#[derive(Clone)]
struct AtOnce;

impl Service<bool> for AtOnce {
    type Response = ();
    type Error = ();
    type Future = Ready<Result<(), ()>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, ends_well: bool) -> Self::Future {
        ready(ended(ends_well))
    }
}

type Guarded = tower_resilience_circuitbreaker::CircuitBreaker<
    AtOnce,
    tower_resilience_circuitbreaker::DefaultClassifier,
>;

pub(crate) fn tower_resilience(policy: Policy) -> Option<Box<dyn Shared>> {
    struct Layered(Mutex<Guarded>);

    impl Shared for Layered {
        fn handle(&self) -> Box<dyn FnMut(bool) -> bool + '_> {
            let mut service = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
            Box::new(move |ends_well| {
                let answer = finished(async {
                    let service = service.ready().await?;
                    service.call(ends_well).await
                });
                !answer.is_err_and(|error| error.is_circuit_open())
            })
        }
    }

    let layer = CircuitBreakerLayer::builder()
        .failure_rate_threshold(SHARE)
        .minimum_number_of_calls(AT_LEAST as usize)
        .wait_duration_in_open(WAIT);
    let layer = match policy {
        Policy::Consecutive => layer.consecutive_failures(FAILURES as usize),
        Policy::Calls => {
            layer.sliding_window_type(SlidingWindowType::CountBased).sliding_window_size(CALLS)
        }
        Policy::Time => {
            layer.sliding_window_type(SlidingWindowType::TimeBased).sliding_window_duration(TIME)
        }
    };
    let layer = layer.build().ok()?;
    Some(Box::new(Layered(Mutex::new(layer.layer_fn(AtOnce)))))
}

/// Its lock is one for tasks: whoever waits for it is asked again until it is free.
fn finished<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::yield_now(),
        }
    }
}

/// A breaker of `reliakit-circuit`, whichever of both.
trait Bare: Copy + Send + 'static {
    fn allow(&mut self, now: u64) -> bool;
    fn end(&mut self, well: bool, now: u64);
}

impl Bare for CircuitBreaker {
    fn allow(&mut self, now: u64) -> bool {
        self.allow(now)
    }

    fn end(&mut self, well: bool, now: u64) {
        if well { self.on_success() } else { self.on_failure(now) }
    }
}

impl Bare for RollingBreaker<CALLS> {
    fn allow(&mut self, now: u64) -> bool {
        self.allow(now)
    }

    fn end(&mut self, well: bool, now: u64) {
        if well { self.on_success() } else { self.on_failure(now) }
    }
}

/// It has no lock and reads no clock: whoever shares it adds both.
pub(crate) fn reliakit_shared(policy: Policy) -> Option<Box<dyn Shared>> {
    struct Locked<B>(Mutex<B>, Instant);

    impl<B: Bare> Shared for Locked<B> {
        fn handle(&self) -> Box<dyn FnMut(bool) -> bool + '_> {
            let breaker = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let now = || self.1.elapsed().as_millis() as u64;
            Box::new(move |ends_well| {
                let allowed = breaker().allow(now());
                if allowed {
                    breaker().end(ends_well, now());
                }
                allowed
            })
        }
    }

    match bare(policy)? {
        Either::Consecutive(it) => Some(Box::new(Locked(Mutex::new(it), Instant::now()))),
        Either::Calls(it) => Some(Box::new(Locked(Mutex::new(it), Instant::now()))),
    }
}

pub(crate) fn reliakit_alone(policy: Policy) -> Option<Box<dyn Shared>> {
    struct Copied<B>(Mutex<B>);

    impl<B: Bare> Shared for Copied<B> {
        fn handle(&self) -> Box<dyn FnMut(bool) -> bool + '_> {
            let breaker = RefCell::new(*self.0.lock().unwrap_or_else(PoisonError::into_inner));
            // What an owner does to it is there for the next one.
            let owned = Owned(&self.0, breaker);
            Box::new(move |ends_well| {
                let mut breaker = owned.1.borrow_mut();
                let allowed = breaker.allow(0);
                if allowed {
                    breaker.end(ends_well, 0);
                }
                allowed
            })
        }
    }

    struct Owned<'a, B: Bare>(&'a Mutex<B>, RefCell<B>);

    impl<B: Bare> Drop for Owned<'_, B> {
        fn drop(&mut self) {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = *self.1.borrow();
        }
    }

    match bare(policy)? {
        Either::Consecutive(it) => Some(Box::new(Copied(Mutex::new(it)))),
        Either::Calls(it) => Some(Box::new(Copied(Mutex::new(it)))),
    }
}

enum Either {
    Consecutive(CircuitBreaker),
    Calls(RollingBreaker<CALLS>),
}

fn bare(policy: Policy) -> Option<Either> {
    let wait = WAIT.as_millis() as u64;
    match policy {
        Policy::Consecutive => Some(Either::Consecutive(CircuitBreaker::new(FAILURES, wait))),
        Policy::Calls => Some(Either::Calls(RollingBreaker::new(PERCENT, wait))),
        Policy::Time => None,
    }
}
