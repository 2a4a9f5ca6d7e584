use std::process::ExitCode;

fn main() -> ExitCode {
    auditql::cli::main()
}
