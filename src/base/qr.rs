//! QR codes as pictures.

use png::{BitDepth, ColorType};
use qrcodegen::{QrCode, QrCodeEcc};

/// Pixels along a side of a module.
const SCALE: u32 = 6;
/// Light modules around the code, as its standard (ISO/IEC 18004) wants them.
const BORDER: u32 = 4;

/// Why there is no picture.
#[derive(Debug, thiserror::Error)]
pub enum QrError {
    /// The text is longer than the largest code holds.
    #[error("a text is too long for a QR code")]
    TooLong,
    /// The picture could not be written.
    #[error(transparent)]
    Picture(#[from] png::EncodingError),
}

/// The QR code of a text, as a PNG of black and white.
pub fn picture(text: &str) -> Result<Vec<u8>, QrError> {
    let code = QrCode::encode_text(text, QrCodeEcc::Medium).map_err(|_| QrError::TooLong)?;
    let modules = u32::try_from(code.size()).unwrap_or(0) + 2 * BORDER;
    let side = modules * SCALE;
    let is_dark = |x: u32, y: u32| {
        let module = |pixel: u32| (pixel / SCALE).checked_sub(BORDER).map(u32::cast_signed);
        matches!((module(x), module(y)), (Some(x), Some(y)) if code.get_module(x, y))
    };
    let mut rows = Vec::new();
    for y in 0..side {
        for first in (0..side).step_by(8) {
            // A bit a pixel, the first one highest; 1 is white. What is beyond the end of a row is ignored.
            let light = (first..first + 8).map(|x| u8::from(!is_dark(x, y)));
            rows.push(light.fold(0, |byte, bit| (byte << 1) | bit));
        }
    }
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, side, side);
    encoder.set_color(ColorType::Grayscale);
    encoder.set_depth(BitDepth::One);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&rows)?;
    writer.finish()?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_shows_the_modules_of_its_text() {
        let text = "otpauth://totp/domesday:alice@123456789012?secret=GEZDGNBV&issuer=domesday";
        let bytes = picture(text).unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        let code = QrCode::encode_text(text, QrCodeEcc::Medium).unwrap();
        let size = usize::try_from(code.size()).unwrap();
        assert_eq!(info.width, u32::try_from((size + 8) * 6).unwrap());
        assert_eq!(info.height, info.width);
        let dark = |x: usize, y: usize| pixels[y * info.line_size + x / 8] >> (7 - x % 8) & 1 == 0;
        for y in 0..size + 8 {
            for x in 0..size + 8 {
                let module = |at: usize| i32::try_from(at).unwrap() - 4;
                let expected = code.get_module(module(x), module(y));
                assert_eq!(dark(x * 6, y * 6), expected, "{x} {y}");
                assert_eq!(dark(x * 6 + 5, y * 6 + 5), expected, "{x} {y}");
            }
        }
        assert!(picture(&"x".repeat(4_000)).is_err());
    }
}
