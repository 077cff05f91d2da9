//! What an answer says of the service.

use host_test_component::types::Origin;
use host_test_component::{WALL_START, field};
use serde_json::json;

use crate::world::{World, ending, get, head, head_by};

#[test]
fn the_origin_of_an_answer_matters_more_than_its_status() {
    for (origin, status, outcome) in [
        (Origin::Service, 503, "failure"),
        (Origin::Service, 404, "success"),
        (Origin::Fault, 503, "failure"),
        (Origin::Overflow, 503, "ignored"),
        (Origin::Host, 503, "ignored"),
        (Origin::TooLong, 504, "failure"),
    ] {
        let mut world = World::one(&json!({}));
        let call = world.admitted(0);
        world.workers[0].respond(call, &head_by(origin, status)).unwrap();
        world.finish(0, call, origin);
        assert_eq!(world.calls_counted(outcome), 1, "{origin:?} {status}");
    }
}

#[test]
fn an_overflow_counts_as_configured() {
    let mut world = World::one(&json!({"classify": {"overflow": "failure"}}));
    let call = world.admitted(0);
    world.workers[0].respond(call, &head_by(Origin::Overflow, 503)).unwrap();
    assert_eq!(world.calls_counted("failure"), 1);
}

#[test]
fn the_end_of_a_good_answer_decides_its_outcome() {
    for (origin, outcome) in
        [(Origin::Service, "success"), (Origin::Fault, "failure"), (Origin::TooLong, "ignored")]
    {
        let mut world = World::one(&json!({}));
        let call = world.admitted(0);
        world.respond(0, call, 200);
        world.finish(0, call, origin);
        assert_eq!(world.calls_counted(outcome), 1, "{origin:?}");
    }
}

#[test]
fn a_call_without_any_answer_is_a_failure_if_the_service_failed() {
    let mut world = World::one(&json!({}));
    let call = world.admitted(0);
    world.finish(0, call, Origin::Fault);
    assert_eq!((world.calls_counted("failure"), world.failures()), (1, 1));
}

#[test]
fn a_grpc_status_is_found_wherever_it_stands() {
    // In the trailers, in a head that is all there is, and in a head that is followed by nothing.
    for place in ["trailers", "only head", "head"] {
        for (code, outcome) in [("14", "failure"), ("0", "success")] {
            let mut world = World::one(&json!({}));
            let mut request = get("/pay.Payment/Charge");
            request.fields.push(field("content-type", "application/grpc"));
            let call = world.workers[0].request(&request).unwrap().call.unwrap();
            let (mut answer, mut end) = (head(200), ending(Origin::Service));
            let status = field("grpc-status", code);
            match place {
                "trailers" => end.trailers.push(status),
                _ => answer.fields.push(status),
            }
            answer.end_of_stream = place == "only head";
            world.workers[0].respond(call, &answer).unwrap();
            world.workers[0].finish(call, &end).unwrap();
            assert_eq!(world.calls_counted(outcome), 1, "{code} in {place}");
        }
    }
}

#[test]
fn a_retry_after_prolongs_the_wait() {
    let mut world = World::one(&json!({"open": {"jitter": 0}}));
    world.call(0, 503);
    world.call(0, 503);
    let call = world.admitted(0);
    let mut answer = head(503);
    answer.fields.push(field("retry-after", "120"));
    world.workers[0].respond(call, &answer).unwrap();
    assert_eq!(world.status().retry_at, Some(WALL_START + 120_000_000_000));
}
