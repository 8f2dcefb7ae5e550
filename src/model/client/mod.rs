//! What is kept of a client: [`Agent`], families instead of a user agent, and [`TruncatedAddress`],
//! a network instead of an address.

mod address;
mod agent;

pub use self::{
    address::TruncatedAddress,
    agent::{Agent, Device, DeviceClass},
};
