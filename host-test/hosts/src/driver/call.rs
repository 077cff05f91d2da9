//! One request and its answer, played to an instance.

use std::time::Duration;

use anyhow::{Result, bail};
use scenario::{Answer, CallId, CalloutAnswer, Grpc, Head, Received, Reply, Request, Worker};

use super::callouts::diverted;
use super::proxy::{Admission, Answered, By, Callout, Cut, Instance, Stream};

/// What comes of every answer's body when it ends.
const LAST_PIECE: &[u8] = b"answer";

/// A request under way.
pub(super) struct Call<I: Instance> {
    pub(super) worker: Worker,
    stream: I::Stream,
    is_grpc: bool,
    /// Since when the request is complete, or until now.
    complete: Duration,
    /// Where gRPC's status is in the answer at hand.
    grpc: Option<Grpc>,
    /// The head that the client has got, if the answer was begun.
    begun: Option<Reply>,
}

/// How far a request has come.
pub(super) enum Progress {
    /// It waits for its service.
    Waiting,
    /// Its answer waits for a callout.
    Ask(Callout),
    /// Its client has got this.
    Done(Received),
}

impl<I: Instance> Call<I> {
    /// A request comes to an instance. A diverted one is answered by its cluster at once.
    pub(super) fn begin(
        instance: &mut I,
        number: CallId,
        request: &Request,
        now: Duration,
        answer_of: impl FnOnce(&str) -> CalloutAnswer,
    ) -> Result<(Self, Progress)> {
        let (stream, admission) = instance.on_request(number, request)?;
        let (worker, is_grpc) = (request.worker, request.is_grpc());
        let mut call = Self { worker, stream, is_grpc, complete: now, grpc: None, begun: None };
        let progress = match admission {
            Admission::Forward => Progress::Waiting,
            Admission::Reply(reply) => call.reply(instance, reply)?,
            Admission::Divert { cluster, reason } => {
                match call.answer(instance, &diverted(answer_of(&cluster)), now)? {
                    Progress::Done(Received::Passed(reply)) => {
                        Progress::Done(Received::Diverted(reply, reason))
                    }
                    progress => progress,
                }
            }
        };
        Ok((call, progress))
    }

    /// Something happens to a request that went to its service.
    pub(super) fn answer(
        &mut self,
        instance: &mut I,
        answer: &Answer,
        now: Duration,
    ) -> Result<Progress> {
        let service = By::Service(now.saturating_sub(self.complete));
        match answer {
            Answer::Whole(head) => self.whole(instance, head, service),
            Answer::Begin(head) => self.head(instance, head, service),
            Answer::RequestEnd => {
                self.complete = now;
                match self.stream.on_request_end(instance)? {
                    None => Ok(Progress::Waiting),
                    Some(reply) => self.reply(instance, reply),
                }
            }
            Answer::More(bytes) => {
                self.stream.on_body(instance, &vec![b'.'; *bytes], false)?;
                Ok(Progress::Waiting)
            }
            Answer::End => self.end(instance),
            Answer::Fault(fault) => match self.begun.take() {
                Some(begun) => {
                    self.stream.on_end(instance, Some(Cut::By(*fault)))?;
                    Ok(Progress::Done(Received::Cut(begun)))
                }
                None => self.whole(instance, &fault.reply(self.is_grpc), By::Proxy(*fault)),
            },
            Answer::ClientGone => {
                self.stream.on_end(instance, Some(Cut::ClientGone))?;
                Ok(Progress::Done(Received::Nothing))
            }
        }
    }

    /// The callout that the answer is held back for is answered, or is not.
    pub(super) fn fallback_answers(
        &mut self,
        instance: &mut I,
        answer: CalloutAnswer,
    ) -> Result<Received> {
        match self.stream.on_fallback_answer(instance, answer)? {
            Answered::Pass(reply) => {
                self.rest(instance)?;
                Ok(Received::Passed(reply))
            }
            Answered::Reply(reply) => {
                self.stream.on_end(instance, None)?;
                Ok(Received::Replayed(reply))
            }
            Answered::Rewrite(reply) => {
                self.rest(instance)?;
                Ok(Received::Replayed(reply))
            }
            Answered::Ask(callout) => bail!("{} is asked as well", callout.cluster),
        }
    }

    fn whole(&mut self, instance: &mut I, head: &Head, by: By) -> Result<Progress> {
        match self.head(instance, head, by)? {
            Progress::Waiting => self.end(instance),
            progress => Ok(progress),
        }
    }

    /// The head of an answer. `Waiting`: it went on to the client, and more is to come.
    fn head(&mut self, instance: &mut I, head: &Head, by: By) -> Result<Progress> {
        self.grpc = head.grpc;
        match self.stream.on_head(instance, head, by)? {
            Answered::Pass(reply) => {
                self.begun = Some(reply);
                Ok(Progress::Waiting)
            }
            Answered::Reply(reply) => self.reply(instance, reply),
            Answered::Rewrite(reply) => {
                // The end of the failed answer is that of the other one, too.
                self.rest(instance)?;
                Ok(Progress::Done(Received::Replied(reply)))
            }
            Answered::Ask(callout) => Ok(Progress::Ask(callout)),
        }
    }

    /// The answer comes to its end.
    fn end(&mut self, instance: &mut I) -> Result<Progress> {
        self.rest(instance)?;
        Ok(Progress::Done(self.begun.take().map_or(Received::Nothing, Received::Passed)))
    }

    /// What is left of an answer comes, after its head.
    fn rest(&mut self, instance: &mut I) -> Result<()> {
        let stream = &mut self.stream;
        match self.grpc {
            None => stream.on_body(instance, LAST_PIECE, true)?,
            Some(Grpc::Head(_)) => {}
            Some(Grpc::Trailers(code)) => {
                stream.on_body(instance, LAST_PIECE, false)?;
                stream.on_trailers(instance, Some(code))?;
            }
            Some(Grpc::Missing) => {
                stream.on_body(instance, LAST_PIECE, false)?;
                stream.on_trailers(instance, None)?;
            }
        }
        stream.on_end(instance, None)
    }

    /// The plugin has answered in the service's stead.
    fn reply(&mut self, instance: &mut I, reply: Reply) -> Result<Progress> {
        self.stream.on_end(instance, None)?;
        Ok(Progress::Done(Received::Replied(reply)))
    }
}
