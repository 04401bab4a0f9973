//! Errors of NVML: the numbers of `nvmlReturn_t`.

use std::ffi::c_int;
use std::fmt;

/// What a function of NVML returned instead of zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NvmlError(c_int);

impl NvmlError {
    const UNINITIALIZED: NvmlError = NvmlError(1);
    const INVALID_ARGUMENT: NvmlError = NvmlError(2);
    const NOT_SUPPORTED: NvmlError = NvmlError(3);
    pub const NOT_FOUND: NvmlError = NvmlError(6);
    /// Also for a function that the installed library does not have.
    pub const NO_FUNCTION: NvmlError = NvmlError(13);
    const GPU_IS_LOST: NvmlError = NvmlError(15);
    const RESET_REQUIRED: NvmlError = NvmlError(16);
    const NO_DATA: NvmlError = NvmlError(21);

    /// # Errors
    /// If the number is not zero.
    pub fn check(returned: c_int) -> Result<(), NvmlError> {
        if returned == 0 { Ok(()) } else { Err(NvmlError(returned)) }
    }

    /// The card does not have the value, and never will.
    pub fn is_permanent(self) -> bool {
        [NvmlError::NOT_SUPPORTED, NvmlError::NO_FUNCTION, NvmlError::INVALID_ARGUMENT].contains(&self)
    }

    /// There is no value at the moment.
    pub fn is_silent(self) -> bool {
        [NvmlError::NOT_FOUND, NvmlError::NO_DATA].contains(&self)
    }

    /// The card is gone, or the handle is no longer valid.
    pub fn is_loss(self) -> bool {
        [NvmlError::UNINITIALIZED, NvmlError::GPU_IS_LOST, NvmlError::RESET_REQUIRED].contains(&self)
    }
}

impl fmt::Display for NvmlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = match self.0 {
            1 => "NVML is not initialised",
            2 => "invalid argument",
            3 => "not supported",
            4 => "no permission",
            6 => "not found",
            7 => "a buffer is too small",
            8 => "the power cables of the card are not connected",
            9 => "the NVIDIA driver is not loaded",
            10 => "timeout",
            12 => "a library of the driver is missing",
            13 => "the installed NVML does not have this function",
            15 => "the GPU is lost",
            16 => "the GPU must be reset",
            17 => "the operating system refuses access to the GPU",
            18 => "library and kernel module of the driver have different versions",
            19 => "in use",
            20 => "no memory",
            _ => "an error of the driver",
        };
        write!(f, "{words} (NVML error {})", self.0)
    }
}
