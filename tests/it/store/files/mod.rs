//! The files of a guestbook: their names, their modes, and what happens when they are replaced or
//! gone.

#[cfg(unix)]
mod links;
#[cfg(unix)]
mod modes;
#[cfg(unix)]
mod moved;
mod names;
