//! tidelock-mio: to come.
