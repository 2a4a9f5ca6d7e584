//! Where facts stand in the objects that requests carry: pod specs, owner references, role
//! bindings. An object is told by its structure, so any resource that holds a pod template is
//! read alike; a partial object (a merge, strategic or apply patch) is one with less in it.

/// A place in an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Node {
    Object,
    Metadata,
    OwnerReferences,
    OwnerReference,
    RoleRef,
    Subjects,
    Subject,
    Spec,
    JobTemplate,
    JobSpec,
    Template,
    PodSpec,
    Containers,
    /// Nothing in them is of interest, but that they are there.
    PassedContainers,
    InitContainers,
    EphemeralContainers,
    Container,
    Image,
    SecurityContext,
    Privileged,
    AllowPrivilegeEscalation,
    Capabilities,
    AddedCapabilities,
    AddedCapability,
    ProcMount,
    RunAsUser,
    Ports,
    Port,
    HostPort,
    Volumes,
    Volume,
    HostPath,
    HostPathPath,
    HostNetwork,
    HostPid,
    HostIpc,
    ServiceAccountName,
    ServiceAccount,
    ImagePullSecrets,
    Env,
    EnvVar,
    ValueFrom,
    EnvFrom,
    EnvSource,
    AzureFile,
    CephFs,
    Cinder,
    Csi,
    FlexVolume,
    Iscsi,
    Projected,
    Sources,
    Source,
    Rbd,
    ScaleIo,
    SecretVolume,
    StorageOs,
    SecretRef,
    SecretName,
    Replicas,
    Status,
    StatusReplicas,
    ServiceType,
    ExternalIps,
    ExternalIp,
    TlsEntries,
    TlsEntry,
}

/// What a walk looks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wanted {
    pub owner: bool,
    pub pods: bool,
    /// As which service account pods run.
    pub account: bool,
    pub bindings: bool,
    /// Of what has replicas.
    pub replicas: bool,
    /// How many there are, in the answer.
    pub status: bool,
    /// Of a service or an ingress.
    pub exposure: bool,
}

impl Wanted {
    /// Whether it looks for anything.
    pub(super) fn any(self) -> bool {
        self.of_pods()
            || self.replicas
            || self.exposure
            || self.owner
            || self.bindings
            || self.status
    }

    /// Whether it looks for anything in pod specs.
    fn of_pods(self) -> bool {
        self.pods || self.account
    }

    /// Whether all members of an object that matter are in a set of nodes. What has a spec has no
    /// template beside it.
    pub(super) fn all_in(self, seen: u128) -> bool {
        let is = |node: Node| seen & node.bit() != 0;
        (!self.owner || is(Node::Metadata))
            && (!self.of_pods() || is(Node::Spec) || is(Node::Template))
            && (!(self.replicas || self.exposure) || is(Node::Spec))
            && (!self.status || is(Node::Status))
            && (!self.bindings || (is(Node::RoleRef) && is(Node::Subjects)))
    }
}

impl Node {
    /// The bit of this node in a set of nodes.
    pub(super) fn bit(self) -> u128 {
        1 << self as u8
    }

    /// The place of a member; `None` if nothing in it is of interest.
    pub(super) fn member(self, key: &[u8], wanted: Wanted) -> Option<Node> {
        match self {
            Node::Object => match key {
                b"metadata" if wanted.owner => Some(Node::Metadata),
                b"spec" if wanted.of_pods() || wanted.replicas || wanted.exposure => {
                    Some(Node::Spec)
                }
                b"status" if wanted.status => Some(Node::Status),
                b"template" if wanted.of_pods() => Some(Node::Template),
                b"roleRef" if wanted.bindings => Some(Node::RoleRef),
                b"subjects" if wanted.bindings => Some(Node::Subjects),
                _ => None,
            },
            Node::Metadata => (key == b"ownerReferences").then_some(Node::OwnerReferences),
            // The spec of a pod, of what makes pods, or of what opens them to the outside.
            Node::Spec => match key {
                b"replicas" if wanted.replicas => Some(Node::Replicas),
                b"type" if wanted.exposure => Some(Node::ServiceType),
                b"externalIPs" if wanted.exposure => Some(Node::ExternalIps),
                b"tls" if wanted.exposure => Some(Node::TlsEntries),
                _ if !wanted.of_pods() => None,
                b"template" => Some(Node::Template),
                b"jobTemplate" => Some(Node::JobTemplate),
                _ => Node::PodSpec.member(key, wanted),
            },
            Node::Status => (key == b"replicas").then_some(Node::StatusReplicas),
            Node::JobTemplate => (key == b"spec").then_some(Node::JobSpec),
            Node::JobSpec => (key == b"template").then_some(Node::Template),
            Node::Template => (key == b"spec").then_some(Node::PodSpec),
            Node::PodSpec => match key {
                b"serviceAccountName" if wanted.account => Some(Node::ServiceAccountName),
                b"serviceAccount" if wanted.account => Some(Node::ServiceAccount),
                b"containers" if !wanted.pods => Some(Node::PassedContainers),
                _ if !wanted.pods => None,
                b"containers" => Some(Node::Containers),
                b"initContainers" => Some(Node::InitContainers),
                b"ephemeralContainers" => Some(Node::EphemeralContainers),
                b"securityContext" => Some(Node::SecurityContext),
                b"volumes" => Some(Node::Volumes),
                b"hostNetwork" => Some(Node::HostNetwork),
                b"hostPID" => Some(Node::HostPid),
                b"hostIPC" => Some(Node::HostIpc),
                b"imagePullSecrets" => Some(Node::ImagePullSecrets),
                _ => None,
            },
            Node::Container => match key {
                b"image" => Some(Node::Image),
                b"securityContext" => Some(Node::SecurityContext),
                b"ports" => Some(Node::Ports),
                b"env" => Some(Node::Env),
                b"envFrom" => Some(Node::EnvFrom),
                _ => None,
            },
            Node::SecurityContext => match key {
                b"privileged" => Some(Node::Privileged),
                b"allowPrivilegeEscalation" => Some(Node::AllowPrivilegeEscalation),
                b"capabilities" => Some(Node::Capabilities),
                b"procMount" => Some(Node::ProcMount),
                b"runAsUser" => Some(Node::RunAsUser),
                _ => None,
            },
            Node::Capabilities => (key == b"add").then_some(Node::AddedCapabilities),
            Node::Port => (key == b"hostPort").then_some(Node::HostPort),
            Node::HostPath => (key == b"path").then_some(Node::HostPathPath),
            // Secrets are named where the node authorizer looks for those that the pods of a node
            // need (VisitPodSecretNames in Kubernetes).
            Node::Volume => match key {
                b"hostPath" => Some(Node::HostPath),
                b"azureFile" => Some(Node::AzureFile),
                b"cephfs" => Some(Node::CephFs),
                b"cinder" => Some(Node::Cinder),
                b"csi" => Some(Node::Csi),
                b"flexVolume" => Some(Node::FlexVolume),
                b"iscsi" => Some(Node::Iscsi),
                b"projected" => Some(Node::Projected),
                b"rbd" => Some(Node::Rbd),
                b"scaleIO" => Some(Node::ScaleIo),
                b"secret" => Some(Node::SecretVolume),
                b"storageos" => Some(Node::StorageOs),
                _ => None,
            },
            Node::AzureFile | Node::SecretVolume => {
                (key == b"secretName").then_some(Node::SecretName)
            }
            Node::CephFs
            | Node::Cinder
            | Node::FlexVolume
            | Node::Iscsi
            | Node::Rbd
            | Node::ScaleIo
            | Node::StorageOs
            | Node::EnvSource => (key == b"secretRef").then_some(Node::SecretRef),
            Node::Csi => (key == b"nodePublishSecretRef").then_some(Node::SecretRef),
            Node::Projected => (key == b"sources").then_some(Node::Sources),
            Node::Source => (key == b"secret").then_some(Node::SecretRef),
            Node::EnvVar => (key == b"valueFrom").then_some(Node::ValueFrom),
            Node::ValueFrom => (key == b"secretKeyRef").then_some(Node::SecretRef),
            Node::SecretRef => (key == b"name").then_some(Node::SecretName),
            _ => None,
        }
    }

    /// The place of an element, if this is an array.
    pub(super) fn element(self) -> Option<Node> {
        match self {
            Node::OwnerReferences => Some(Node::OwnerReference),
            Node::Subjects => Some(Node::Subject),
            Node::Containers | Node::InitContainers | Node::EphemeralContainers => {
                Some(Node::Container)
            }
            Node::AddedCapabilities => Some(Node::AddedCapability),
            Node::Ports => Some(Node::Port),
            Node::Volumes => Some(Node::Volume),
            Node::ImagePullSecrets => Some(Node::SecretRef),
            Node::Env => Some(Node::EnvVar),
            Node::EnvFrom => Some(Node::EnvSource),
            Node::Sources => Some(Node::Source),
            Node::ExternalIps => Some(Node::ExternalIp),
            Node::TlsEntries => Some(Node::TlsEntry),
            _ => None,
        }
    }

    /// The place that a JSON pointer (RFC 6901) names, counted from the whole object.
    pub(super) fn at_pointer(pointer: &str, wanted: Wanted) -> Option<Node> {
        let mut node = Node::Object;
        for segment in pointer.split('/').skip(1) {
            let key = segment.replace("~1", "/").replace("~0", "~");
            let next = match node.element() {
                Some(element) => Some(element),
                None => node.member(key.as_bytes(), wanted),
            };
            match next {
                Some(next) => node = next,
                // An image by name is one wherever it stands.
                None if wanted.pods && pointer.ends_with("/image") => return Some(Node::Image),
                None => return None,
            }
        }
        Some(node)
    }
}
