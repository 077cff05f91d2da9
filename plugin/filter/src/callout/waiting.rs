//! Who waits for a call to be answered, and when it is given up.
//!
//! A proxy brings an answer to each call that it has taken on, if only that there was none in time.
//! One whose operator withholds `proxy_on_http_call_response` never does, and whoever waits for it
//! would wait for ever. So a call is given up when its timeout has been over for two ticks. Ticks
//! are counted, and no clock is read: a worker that was held up finds everything due at once, in
//! whatever order, but ticks once only.

/// Calls under way on a worker, by the proxy's numbers, and who waits for each.
#[derive(Debug)]
pub struct WaitingCallers<T> {
    /// Few at a time.
    calls: Vec<Call<T>>,
    /// Whether any answer has ever come.
    any_answered: bool,
    /// Whether an answer has been missing.
    any_missed: bool,
}

#[derive(Debug)]
struct Call<T> {
    number: u32,
    /// The plugin's context whose ticks are counted.
    root: u32,
    /// How many more it may take.
    ticks: u32,
    caller: T,
}

/// The calls that a tick gave up.
#[derive(Debug)]
pub struct TimedOut<T> {
    /// Who waited for them.
    pub callers: Vec<T>,
    /// Whether it shows for the first time that no answer comes at all.
    pub never_answered: bool,
}

impl<T> Default for WaitingCallers<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> WaitingCallers<T> {
    /// None.
    #[must_use]
    pub const fn new() -> Self {
        Self { calls: Vec::new(), any_answered: false, any_missed: false }
    }

    /// Whether somebody may be made to wait for an answer: not where none has ever come, and one
    /// should have.
    #[must_use]
    pub const fn may_wait(&self) -> bool {
        self.any_answered || !self.any_missed
    }

    /// A call was made, which is given up after so many ticks of this context.
    pub fn begin(&mut self, call: u32, root: u32, ticks: u32, caller: T) {
        self.take(call);
        self.calls.push(Call { number: call, root, ticks, caller });
    }

    /// The answer to a call has come: who waits for it, unless it was given up.
    pub fn answered(&mut self, call: u32) -> Option<T> {
        self.any_answered = true;
        self.take(call)
    }

    fn take(&mut self, call: u32) -> Option<T> {
        let place = self.calls.iter().position(|known| known.number == call)?;
        Some(self.calls.swap_remove(place).caller)
    }

    /// A context ticks: which calls are given up.
    pub fn on_tick(&mut self, root: u32) -> TimedOut<T> {
        let is_over = |call: &mut Call<T>| {
            let counts = call.root == root;
            call.ticks = call.ticks.saturating_sub(u32::from(counts));
            counts && call.ticks == 0
        };
        let callers: Vec<T> = self.calls.extract_if(.., is_over).map(|call| call.caller).collect();
        let never_answered = !callers.is_empty() && !self.any_answered && !self.any_missed;
        self.any_missed |= !callers.is_empty();
        TimedOut { callers, never_answered }
    }

    /// A context is gone, and whoever waited there.
    pub fn forget(&mut self, root: u32) {
        self.calls.retain(|call| call.root != root);
    }
}
