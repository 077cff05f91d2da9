//! How contexts come and go: the VM and its root contexts, the end of a stream.

use std::mem;

use super::{Slot, StartError, Worker};
use crate::properties::Phase;
use crate::state::Root;
use crate::stream::{Mode, Stream, Way};
use crate::vm::Vm;

impl Worker {
    /// Starts a VM with the configuration that is in force.
    pub(super) fn build(&mut self) -> Result<(), StartError> {
        let state = match mem::replace(&mut self.slot, Slot::Empty) {
            Slot::Gone(state) => state,
            slot => {
                self.slot = slot;
                return Ok(());
            }
        };
        match Vm::start(&self.module, *state) {
            Ok(vm) => self.slot = Slot::Running(Box::new(vm)),
            Err((state, trap)) => {
                self.slot = Slot::Gone(state);
                return Err(StartError::Trap(trap));
            }
        }
        let configuration = self.configuration.clone();
        let built = self.add_root(&configuration);
        if built.is_err() && self.is_running() {
            self.fail("the VM did not start");
        }
        built
    }

    /// Creates a root context and configures it: `proxy_on_context_create`, `proxy_on_vm_start`,
    /// `proxy_on_configure`. One that refuses goes again.
    pub(super) fn add_root(&mut self, configuration: &[u8]) -> Result<(), StartError> {
        if !self.is_running() {
            return Err(StartError::NoVm);
        }
        let state = self.state_mut();
        let root = state.next_context();
        let new = Root { configuration: configuration.to_vec(), ..Root::default() };
        state.roots.insert(root, new);
        state.configuration = Some(configuration.to_vec());
        let size = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
        let (vm_size, size) =
            (size(state.plugin.vm_configuration.len()), size(configuration.len()));
        self.call(root, |callbacks| &callbacks.context_create, (root, 0));
        let started = self.call(root, |callbacks| &callbacks.vm_start, (root, vm_size));
        let configured = match started {
            Some(0) => None,
            _ => Some(self.call(root, |callbacks| &callbacks.configure, (root, size))),
        };
        self.state_mut().configuration = None;
        self.settle();
        if !self.is_running() {
            return Err(StartError::Trap(self.last_trap()));
        }
        let refused = match configured {
            None => StartError::VmRefused,
            Some(Some(0)) => StartError::ConfigurationRefused,
            Some(_) => {
                self.retire_others(root);
                return Ok(());
            }
        };
        self.remove_root(root);
        Err(refused)
    }

    /// What the last trap said. It is an event as well, which the caller of a failed start will
    /// never see.
    fn last_trap(&self) -> String {
        let trap = self.state().events.iter().rev().find_map(|event| match event {
            crate::event::Event::VmFailed(trap) => Some(trap.clone()),
            _ => None,
        });
        trap.unwrap_or_default()
    }

    /// Puts a root context in force again that streams are left of, if there is one of this
    /// configuration. Nothing is called: as far as the module knows it was so all the while.
    pub(super) fn put_back(&mut self, configuration: &[u8]) -> bool {
        let roots = &self.state().roots;
        let same =
            roots.iter().find(|(_, root)| root.retired && root.configuration == configuration);
        let Some(root) = same.map(|(id, _)| *id) else {
            return false;
        };
        self.retire_others(root);
        true
    }

    fn retire_others(&mut self, newest: u32) {
        for (id, root) in &mut self.state_mut().roots {
            root.retired = *id != newest;
        }
    }

    /// Removes the retired root contexts that have no stream left.
    pub(super) fn remove_old_roots(&mut self) {
        let state = self.state();
        let used = |id: u32| state.streams.values().any(|stream| stream.root == id);
        let old = state.roots.iter().filter(|(id, root)| root.retired && !used(**id));
        let old: Vec<u32> = old.map(|(id, _)| *id).collect();
        for root in old {
            self.remove_root(root);
        }
    }

    fn remove_root(&mut self, root: u32) {
        if !self.is_running() || self.state().pending_done.contains(&root) {
            return;
        }
        match self.call(root, |callbacks| &callbacks.done, root) {
            Some(0) => {
                self.state_mut().pending_done.insert(root);
            }
            _ => self.delete(root),
        }
        self.settle();
    }

    /// Makes sure that the context of a stream is in the VM.
    pub(super) fn create(&mut self, id: u32) {
        let Some(stream) = self.stream_mut(id) else {
            return;
        };
        if !stream.created && stream.mode == Mode::Filtered {
            stream.created = true;
            let root = stream.root;
            self.call(id, |callbacks| &callbacks.context_create, (id, root));
        }
    }

    /// `on_log`, `on_done`, `on_delete`, if there is a VM to call.
    pub(super) fn end(&mut self, id: u32) {
        self.create(id);
        let Some(stream) = self.stream_mut(id) else {
            return;
        };
        if stream.phase == Phase::Log {
            return;
        }
        stream.phase = Phase::Log;
        stream.closed = true;
        if stream.mode != Mode::Filtered {
            self.state_mut().streams.remove(&id);
            return;
        }
        hide_bodies(stream);
        self.call(id, |callbacks| &callbacks.log, id);
        self.settle();
        // Whether it is done matters for root contexts only.
        self.call(id, |callbacks| &callbacks.done, id);
        self.delete(id);
        self.settle();
        if !self.is_running() {
            self.state_mut().streams.remove(&id);
        }
    }

    /// The last that a context hears of.
    pub(super) fn delete(&mut self, id: u32) {
        self.call(id, |callbacks| &callbacks.delete, id);
        let state = self.state_mut();
        let root = state.roots.remove(&id).is_some();
        state.streams.remove(&id);
        if !root {
            self.remove_old_roots();
        }
    }
}

fn hide_bodies(stream: &mut Stream) {
    for way in [Way::Request, Way::Response] {
        let message = stream.message_mut(way);
        message.body.clear();
        message.visible.body = false;
    }
}
