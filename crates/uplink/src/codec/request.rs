//! Requests, answers to them, and why they were not sent.

use super::FrameError;
use super::entry::{decode_value, encode_value};
use super::frame::{put_text, text};
use signal::{Command, CommandId, CommandStage, PointId, Refusal, Request};
use wire::{Reader, Writer};

/// Points of a command are numbers of the gateway's names, in the place of the id.
pub(super) fn encode_request(request: &Request, out: &mut Writer) {
    let (code, command) = match request {
        Request::Select(command) => (1, Some(command)),
        Request::Execute(command) => (2, Some(command)),
        Request::Deselect(command) => (3, Some(command)),
        Request::Interrogate => (4, None),
        Request::InterrogateCounters => (5, None),
        Request::SynchroniseClock => (6, None),
    };
    out.u8(code);
    if let Some(command) = command {
        out.bytes(&command.id.0.to_le_bytes());
        out.u32_le(command.point.0);
        encode_value(command.value, out);
    }
}

pub(super) fn decode_request(input: &mut Reader<'_>) -> Result<Request, FrameError> {
    let code = input.u8()?;
    Ok(match code {
        1 => Request::Select(command(input)?),
        2 => Request::Execute(command(input)?),
        3 => Request::Deselect(command(input)?),
        4 => Request::Interrogate,
        5 => Request::InterrogateCounters,
        6 => Request::SynchroniseClock,
        code => return Err(FrameError::Code("request", code)),
    })
}

fn command(input: &mut Reader<'_>) -> Result<Command, FrameError> {
    Ok(Command {
        id: CommandId(u64::from_le_bytes(input.array()?)),
        point: PointId(input.u32_le()?),
        value: decode_value(input)?,
        deadline: None,
    })
}

pub(super) fn encode_stage(stage: &CommandStage, out: &mut Writer) {
    let code = match stage {
        CommandStage::Selected => 1,
        CommandStage::Accepted => 2,
        CommandStage::Terminated => 3,
        CommandStage::Refused(_) => 4,
        CommandStage::TimedOut => 5,
    };
    out.u8(code);
    if let CommandStage::Refused(why) = stage {
        put_text(why, out);
    }
}

pub(super) fn decode_stage(input: &mut Reader<'_>) -> Result<CommandStage, FrameError> {
    Ok(match input.u8()? {
        1 => CommandStage::Selected,
        2 => CommandStage::Accepted,
        3 => CommandStage::Terminated,
        4 => CommandStage::Refused(text(input)?),
        5 => CommandStage::TimedOut,
        code => return Err(FrameError::Code("stage of a command", code)),
    })
}

pub(super) const fn refusal_code(refusal: &Refusal) -> u8 {
    match refusal {
        Refusal::NotConnected => 1,
        Refusal::NotControllable => 2,
        Refusal::WrongValue => 3,
        Refusal::Busy => 4,
        Refusal::TooLate => 5,
        Refusal::NotAllowed => 6,
    }
}

pub(super) const fn named_refusal(code: u8) -> Result<Refusal, FrameError> {
    Ok(match code {
        1 => Refusal::NotConnected,
        2 => Refusal::NotControllable,
        3 => Refusal::WrongValue,
        4 => Refusal::Busy,
        5 => Refusal::TooLate,
        6 => Refusal::NotAllowed,
        code => return Err(FrameError::Code("refusal", code)),
    })
}
