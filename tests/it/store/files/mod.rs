//! The files that a guestbook makes: their names, who may read them, and what happens when they are
//! replaced or gone.

#[cfg(unix)]
mod links;
#[cfg(unix)]
mod modes;
#[cfg(unix)]
mod moved;
mod names;
