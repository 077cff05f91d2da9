//! What an operator does to a breaker through the host.

use host_test_component::Shared;
use host_test_component::types::{Command, RequestVerdict, State, SteerError};
use serde_json::json;

use crate::world::{SERVICE, World, instance};

impl World {
    fn steer(&mut self, worker: usize, command: Command) -> Result<(), SteerError> {
        self.workers[worker].steer(SERVICE, command).unwrap()
    }
}

#[test]
fn a_command_to_one_worker_holds_for_all() {
    let mut world = World::new(2, &json!({}));
    for (command, state) in [
        (Command::ForceOpen, State::ForcedOpen),
        (Command::Disable, State::Disabled),
        (Command::MetricsOnly, State::MetricsOnly),
        (Command::Enable, State::Closed),
        (Command::ForceOpen, State::ForcedOpen),
        (Command::Close, State::Closed),
    ] {
        assert_eq!(world.steer(1, command), Ok(()));
        assert_eq!(world.state(), state, "{command:?}");
        let passes = world.request(0).verdict == RequestVerdict::Pass;
        assert_eq!(passes, state != State::ForcedOpen, "{command:?}");
    }
}

#[test]
fn an_open_breaker_closes_and_one_that_is_reset_is_as_configured() {
    let mut world = World::one(&json!({"mode": "metrics_only"}));
    world.trip_unheeded();
    assert_eq!(world.steer(0, Command::Enable), Ok(()));
    assert_eq!(world.state(), State::Open);
    assert_eq!(world.steer(0, Command::Close), Ok(()));
    assert_eq!(world.state(), State::Closed);
    assert_eq!(world.steer(0, Command::Reset), Ok(()));
    assert_eq!((world.state(), world.failures()), (State::MetricsOnly, 0));
}

impl World {
    fn trip_unheeded(&mut self) {
        for _ in 0..3 {
            self.call(0, 503);
        }
    }
}

#[test]
fn a_command_is_logged_and_its_transition_counted() {
    let mut world = World::one(&json!({}));
    world.trip();
    let _ = world.shared.take_log();
    assert_eq!(world.steer(0, Command::Close), Ok(()));
    let log: Vec<_> = world.shared.take_log().into_iter().map(|(_, line)| line).collect();
    let said = |wanted: &str| log.iter().any(|line| line.contains(wanted));
    assert!(said(&format!("service={SERVICE} event=steered command=close")), "{log:?}");
    assert!(said("from=OPEN to=CLOSED"), "{log:?}");
}

#[test]
fn a_service_that_is_not_there_cannot_be_steered() {
    let mut world = World::one(&json!({}));
    let guard = &mut world.workers[0];
    assert_eq!(guard.steer("nobody", Command::ForceOpen).unwrap(), Err(SteerError::Unknown));
    let mut unconfigured = instance(&Shared::new());
    let steered = unconfigured.steer(SERVICE, Command::ForceOpen).unwrap();
    assert_eq!(steered, Err(SteerError::Unknown));
}

#[test]
fn a_command_that_could_not_be_written_has_changed_nothing_and_its_error_is_reported_next() {
    let mut world = World::one(&json!({}));
    world.shared.break_writes(true);
    assert_eq!(world.steer(0, Command::ForceOpen), Err(SteerError::Unwritten));
    world.shared.break_writes(false);
    world.shared.lose_races(64);
    assert_eq!(world.steer(0, Command::ForceOpen), Err(SteerError::Unwritten));
    assert_eq!(world.state(), State::Closed);
    assert_eq!(world.request(0).verdict, RequestVerdict::Pass);
    assert_eq!(world.shared.metric("edge_breaker_lost_updates_total"), Some(2));
}
