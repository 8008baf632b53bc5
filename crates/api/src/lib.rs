//! View types of the HTTP interface: what clients see, in the field's words with units in the names.
//!
//! Domain types never serialise themselves; the server converts them into these by hand. Times are ISO 8601 UTC with
//! milliseconds. The OpenAPI document is made from the same types.

mod alarm;
mod alarm_management;
mod approval;
mod audit;
mod certificate;
mod command;
mod conduit;
mod evidence;
mod grid;
mod identity;
mod live;
mod point;
mod session;
mod status;
mod switching;

pub use alarm::{
    AcknowledgeGroupsRequest, AcknowledgeRequest, Acknowledged, AlarmView, AlarmsView, EventView, EventsView,
    InhibitView,
};
pub use alarm_management::{
    AlarmDetailView, AlarmFiguresView, AlarmIdsRequest, AlarmRefusal, AlarmRuleView, AlarmsChanged,
    FirstOutView, FloodView, FrequentView, GroupLineView, GroupsView, OutOfServiceRequest, ShelveRequest,
};
pub use approval::{ApprovalView, ApprovalsView};
pub use audit::{AuditCopyView, AuditPage, AuditStateView, AuditView, CheckpointView};
pub use certificate::{
    CertificatesView, Enrol, EnrolledCertificateView, EnrolmentView, ExpectEnrolment, IssuedCertificateView,
    RevokeCertificate, UsedCertificateView,
};
pub use command::{
    CommandRequest, CommandView, CommandsView, ProposalView, ProposalsView, SeenState, StageView, StudyView,
    StudyViolationView,
};
pub use conduit::{ConduitLinkView, ConduitView, ConduitsView, ForbiddenView, FunctionView};
pub use evidence::{EvidenceActView, EvidenceBaselineView, EvidencePersonView, EvidenceView};
pub use grid::{
    BadDataView, BranchEndView, BranchEstimateView, BranchView, BusEstimateView, EquipmentView, EstimateView,
    NetworkView, SubstationView, SwitchView,
};
pub use identity::{
    AccountRequest, AreaRequest, AreaView, AreasView, AuthenticatorView, BreakGlass, Code, DeedView,
    EnrolledView, LivingSessionView, LivingSessionsView, NewPassword, NewTokenView, OidcBegun, OidcProvider,
    PasskeyAnswer, PasskeyChallenge, PasskeyUser, PasskeyView, PasskeysView, Reason, RecoveryCodes,
    RegisteredPasskey, RoleRequest, RoleView, RolesView, SignIn, TokenRequest, TokenView, TokensView,
    UserRequestView, UserRequestsView, UserView, UsersView,
};
pub use live::{LiveFrame, LivePoint};
pub use point::{
    BucketView, CellChange, ControlOption, ControlView, CorrectionRequest, HistoryView, IntegralView,
    LimitsView, NumericControl, PointChange, PointListApply, PointListCompare, PointListDifference,
    PointModeRequest, PointModeView, PointView, PointsView, QualityView, RowView, RowsView, SampleView,
    SamplesView, TagRequest, TagView,
};
pub use session::{ErrorView, Problem, ServerView, SessionView};
pub use status::{
    AlarmCounts, BackupView, ClockFollowRequest, ClockView, Counters, EstimationView, LinkView, PointCounts,
    StatusView,
};
pub use switching::{
    SafetyDocumentRequest, SafetyDocumentView, SwitchingActionView, SwitchingCheckView, SwitchingCopy,
    SwitchingFindingView, SwitchingOrderRequest, SwitchingOrderView, SwitchingOrdersView, SwitchingReason,
    SwitchingStepDone, SwitchingStepView,
};
