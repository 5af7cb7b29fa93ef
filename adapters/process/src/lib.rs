//! The process adapter: `run: shell` and `run: script` of the DSL, and programs that are adapters themselves.
//!
//! [`ProcessAdapter`] is the built-in adapter `process` with the functions `shell` and `script`, each closed unless its
//! settings open it; [`Program`] offers named functions of one program (`call: book@courier`). Both start processes
//! through [`execute`]: a process group of its own, an environment that names what is in it, bounded output, killed as a
//! group. Imports the SDK only.

mod execute;
mod program;
mod shell;

pub use program::{Program, ProgramSettings};
pub use shell::{ProcessAdapter, ProcessSettings};
