//! The files that a guestbook makes: their names, who may read them, and what happens when they are replaced or gone.

#[cfg(unix)]
mod links;
#[cfg(unix)]
mod modes;
mod names;
