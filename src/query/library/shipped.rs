//! The files of `queries/`. Adding one is its file and its line here.

macro_rules! files {
    ($($name:literal)*) => {
        /// Name and text of every shipped question.
        pub(super) const FILES: &[(&str, &str)] = &[
            $(($name, include_str!(concat!("../../../queries/", $name, ".sql"))),)*
        ];
    };
}

files! {
    "who-deleted"
}
