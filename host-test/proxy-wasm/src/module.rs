//! A module, compiled once for all workers.

use std::fmt;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use wasmtime::{Config, Engine, ExternType, InstancePre, Linker};

use crate::state::State;
use crate::{allocations, imports};

/// How a module is compiled and limited.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many instructions a callback may take; one that takes more traps. Envoy knows no
    /// such limit. Has a meaning only for a metered module.
    pub instruction_limit: u64,
    /// How much memory a VM may have, in bytes. What is more is refused to the module, which for
    /// most languages means a trap.
    pub memory_limit: usize,
    /// Whether instructions are counted. Costs some speed.
    pub metered: bool,
    /// Whether the module's own allocations are counted. Its name section has to name the
    /// functions that allocate as the C library does, as Rust's toolchain leaves it. A few
    /// instructions are added to these.
    pub count_allocations: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            instruction_limit: 10_000_000_000,
            memory_limit: 1 << 30,
            metered: true,
            count_allocations: false,
        }
    }
}

/// A compiled module. A handle; clones are handles to the same module.
#[derive(Clone)]
pub struct Module(Arc<Inner>);

struct Inner {
    engine: Engine,
    pre: InstancePre<State>,
    options: Options,
    imports: Vec<String>,
}

/// Why a module cannot be used.
#[derive(Debug)]
pub enum LoadError {
    /// It is no module, or not one that can be compiled.
    Invalid(String),
    /// It wants something that this host does not have.
    UnknownImport {
        /// Where it wants it from.
        module: String,
        /// What it wants.
        name: String,
    },
    /// It wants something that this host has, of another type.
    ImportType {
        /// Where it wants it from.
        module: String,
        /// What it wants.
        name: String,
    },
    /// It does not say that it speaks ABI 0.2.0 or 0.2.1, or exports no memory.
    Abi(String),
}

impl Module {
    /// Compiles a module and checks what it imports and exports.
    ///
    /// # Errors
    ///
    /// If it cannot be used, with the reason.
    pub fn new(bytes: &[u8], options: &Options) -> Result<Self, LoadError> {
        let engine = engine(options)?;
        let module = if options.count_allocations {
            let copy = allocations::counting(bytes).map_err(LoadError::Invalid)?;
            wasmtime::Module::new(&engine, copy)
        } else {
            wasmtime::Module::new(&engine, bytes)
        };
        let module = module.map_err(invalid)?;
        Self::check(engine, &module, options)
    }

    /// The compiled module as bytes, to be kept and loaded again. What they are good for is only
    /// this version of this host, on a machine like this one.
    ///
    /// # Errors
    ///
    /// If the engine cannot do it.
    pub fn precompiled(&self) -> Result<Vec<u8>, LoadError> {
        self.0.pre.module().serialize().map_err(invalid)
    }

    /// Loads what [`precompiled`](Self::precompiled) has given, in a fraction of the time that
    /// it takes to compile. Bytes of another version or of other options are refused.
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new).
    ///
    /// # Safety
    ///
    /// The bytes are run as they are. They must be what `precompiled` gave, and come from where
    /// nobody else can write.
    #[allow(
        unsafe_code,
        reason = "machine code cannot be checked; the caller says that it is ours"
    )]
    pub unsafe fn from_precompiled(bytes: &[u8], options: &Options) -> Result<Self, LoadError> {
        let engine = engine(options)?;
        // SAFETY: the caller says so.
        let module = unsafe { wasmtime::Module::deserialize(&engine, bytes) }.map_err(invalid)?;
        Self::check(engine, &module, options)
    }

    /// What compiled modules have to agree in to be of use to each other: the version of the engine,
    /// its settings, and the machine.
    ///
    /// # Errors
    ///
    /// If there is no engine with these options.
    pub fn compatibility(options: &Options) -> Result<u64, LoadError> {
        let mut hasher = DefaultHasher::new();
        engine(options)?.precompile_compatibility_hash().hash(&mut hasher);
        Ok(hasher.finish())
    }

    /// Checks what a module imports and exports.
    fn check(
        engine: Engine,
        module: &wasmtime::Module,
        options: &Options,
    ) -> Result<Self, LoadError> {
        let mut linker = Linker::new(&engine);
        imports::define(&mut linker).map_err(invalid)?;
        let mut names = Vec::new();
        for import in module.imports() {
            let (from, name) = (import.module().to_owned(), import.name().to_owned());
            let ExternType::Func(wanted) = import.ty() else {
                return Err(LoadError::UnknownImport { module: from, name });
            };
            let Some(known) = imports::function_type(&linker, &engine, &from, &name) else {
                return Err(LoadError::UnknownImport { module: from, name });
            };
            if !known.matches(&wanted) {
                return Err(LoadError::ImportType { module: from, name });
            }
            names.push(format!("{from}.{name}"));
        }
        let exports = |name: &str| module.get_export(name);
        if !matches!(exports("memory"), Some(ExternType::Memory(_))) {
            return Err(LoadError::Abi("it exports no memory".to_owned()));
        }
        let markers = ["proxy_abi_version_0_2_1", "proxy_abi_version_0_2_0"];
        if !markers.iter().any(|marker| exports(marker).is_some()) {
            let message = "it exports neither proxy_abi_version_0_2_1 nor _0_2_0";
            return Err(LoadError::Abi(message.to_owned()));
        }
        let pre = linker.instantiate_pre(module).map_err(invalid)?;
        Ok(Self(Arc::new(Inner { engine, pre, options: options.clone(), imports: names })))
    }

    /// What the module imports, as `module.name`.
    #[must_use]
    pub fn imports(&self) -> &[String] {
        &self.0.imports
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.0.engine
    }

    pub(crate) fn pre(&self) -> &InstancePre<State> {
        &self.0.pre
    }

    pub(crate) fn options(&self) -> &Options {
        &self.0.options
    }
}

fn engine(options: &Options) -> Result<Engine, LoadError> {
    let mut config = Config::new();
    config.consume_fuel(options.metered);
    Engine::new(&config).map_err(invalid)
}

fn invalid(error: wasmtime::Error) -> LoadError {
    LoadError::Invalid(format!("{error:#}"))
}

impl fmt::Debug for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Module").field("options", &self.0.options).finish_non_exhaustive()
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(message) => write!(f, "the module cannot be compiled: {message}"),
            Self::UnknownImport { module, name } => {
                write!(f, "the module imports {module}.{name}, which this host does not have")
            }
            Self::ImportType { module, name } => {
                write!(f, "the module imports {module}.{name} with another type than this host's")
            }
            Self::Abi(message) => write!(f, "the module is no proxy-wasm filter: {message}"),
        }
    }
}

impl std::error::Error for LoadError {}
