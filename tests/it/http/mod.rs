//! Layers and gates, and their order.

mod gates;
mod layers;
