"""What a CloudTrail record was about: its ``resources``, else the things its request parameters name."""

from collections.abc import Iterator
from typing import Any, Final

MAX_RESOURCES: Final = 20
"""More than so many resources of one record are left to ``raw``."""

_BY_PARAMETER: Final = {
    # what a call changes comes before what it merely refers to: AttachRolePolicy is about the role
    "bucketName": "AWS::S3::Bucket",
    "roleName": "AWS::IAM::Role",
    "userName": "AWS::IAM::User",
    "groupName": "AWS::IAM::Group",
    "instanceProfileName": "AWS::IAM::InstanceProfile",
    "policyArn": "AWS::IAM::Policy",
    "policyName": "AWS::IAM::Policy",
    "roleArn": "AWS::IAM::Role",
    "secretId": "AWS::SecretsManager::Secret",
    "keyId": "AWS::KMS::Key",
    "functionName": "AWS::Lambda::Function",
    "dBSnapshotIdentifier": "AWS::RDS::DBSnapshot",
    "dBInstanceIdentifier": "AWS::RDS::DBInstance",
    "dBClusterIdentifier": "AWS::RDS::DBCluster",
    "tableName": "AWS::DynamoDB::Table",
    "trailName": "AWS::CloudTrail::Trail",
    "logGroupName": "AWS::Logs::LogGroup",
    "instanceId": "AWS::EC2::Instance",
    "snapshotId": "AWS::EC2::Snapshot",
    "imageId": "AWS::EC2::Image",
    "volumeId": "AWS::EC2::Volume",
    "networkInterfaceId": "AWS::EC2::NetworkInterface",
    "groupId": "AWS::EC2::SecurityGroup",
    "routeTableId": "AWS::EC2::RouteTable",
    "internetGatewayId": "AWS::EC2::InternetGateway",
    "subnetId": "AWS::EC2::Subnet",
    "vpcId": "AWS::EC2::VPC",
    "trustAnchorId": "AWS::RolesAnywhere::TrustAnchor",
    "profileId": "AWS::RolesAnywhere::Profile",
    "modelId": "AWS::Bedrock::Model",
}
"""Request parameter → type of resource (CloudFormation's names, as in ``resources[].type``), in order of
precedence."""

_BY_SERVICE: Final = {
    ("ec2.amazonaws.com", "groupName"): "AWS::EC2::SecurityGroup",
    ("cloudtrail.amazonaws.com", "name"): "AWS::CloudTrail::Trail",
    ("secretsmanager.amazonaws.com", "name"): "AWS::SecretsManager::Secret",
    ("ssm.amazonaws.com", "name"): "AWS::SSM::Parameter",
    ("ssm.amazonaws.com", "target"): "AWS::EC2::Instance",
}
"""Parameters whose meaning depends on the service."""

_LISTS: Final = (("instancesSet", "instanceId"),)
"""EC2 lists, ``{"items": [{"instanceId": …}]}``; their element names the type as a parameter would."""

_NAMES: Final = {"instanceIds": "AWS::EC2::Instance", "names": "AWS::SSM::Parameter"}
"""Parameters that are lists of ids."""

_BY_ARN: Final = {
    ("ec2", "instance"): "AWS::EC2::Instance",
    ("ec2", "volume"): "AWS::EC2::Volume",
    ("ec2", "snapshot"): "AWS::EC2::Snapshot",
    ("iam", "user"): "AWS::IAM::User",
    ("iam", "role"): "AWS::IAM::Role",
    ("iam", "policy"): "AWS::IAM::Policy",
    ("kms", "key"): "AWS::KMS::Key",
    ("lambda", "function"): "AWS::Lambda::Function",
    ("secretsmanager", "secret"): "AWS::SecretsManager::Secret",
    ("ssm", "parameter"): "AWS::SSM::Parameter",
    ("ssm", "association"): "AWS::SSM::Association",
    ("ssm", "managed-instance-inventory"): "AWS::SSM::ManagedInstanceInventory",
    ("ssm", "document"): "AWS::SSM::Document",
}


_SERVICES: Final = frozenset(service for service, _ in _BY_SERVICE)
_RANK: Final = {field: place for place, field in enumerate(_BY_PARAMETER)}
_KNOWN: Final = frozenset(
    [*_BY_PARAMETER, *(field for _, field in _BY_SERVICE), *(field for field, _ in _LISTS), *_NAMES]
)


def resources_of(record: dict[str, Any], event_source: str) -> list[dict[str, Any]]:
    """``[{"type": …, "id": …}]``, the main one first; ``type`` is left out where nothing tells it."""
    listed = record.get("resources")
    if type(listed) is list:
        found = [resource for entry in listed if (resource := _listed(entry)) is not None]
        if found:
            return found[:MAX_RESOURCES]
    parameters = record.get("requestParameters")
    if type(parameters) is not dict:
        return []
    unique = {resource["id"]: resource for resource in _named(parameters, event_source)}
    return list(unique.values())[:MAX_RESOURCES]


def _listed(entry: Any) -> dict[str, Any] | None:
    arn = entry.get("ARN") or entry.get("ARNPrefix") if type(entry) is dict else None
    if type(arn) is not str or not arn:
        return None
    kind = entry.get("type")
    if type(kind) is not str or not kind:
        kind = _kind_of(arn)
    return {"type": kind, "id": arn} if kind else {"id": arn}


def _kind_of(arn: str) -> str | None:
    """``arn:partition:service:region:account:kind/name`` (or ``kind:name``) → the type."""
    parts = arn.split(":", 5)
    if len(parts) < 6:
        return None
    if parts[2] == "s3":
        return "AWS::S3::Object" if "/" in parts[5] else "AWS::S3::Bucket"
    return _BY_ARN.get((parts[2], parts[5].replace(":", "/", 1).split("/", 1)[0]))


def _named(parameters: dict[str, Any], event_source: str) -> Iterator[dict[str, Any]]:
    """What the parameters name: by service, by parameter, in lists; of each in the order of its table."""
    known = _KNOWN & parameters.keys()  # most records have one of the eighty, or none
    if not known:
        return
    by_parameter = {field for field in known if field in _BY_PARAMETER}
    if event_source in _SERVICES:
        for (service, field), kind in _BY_SERVICE.items():
            if service == event_source and _is_id(parameters.get(field)):
                yield {"type": kind, "id": parameters[field]}
                by_parameter.discard(field)
    for field in by_parameter if len(by_parameter) < 2 else sorted(by_parameter, key=_RANK.__getitem__):
        if _is_id(parameters[field]):
            yield {"type": _BY_PARAMETER[field], "id": parameters[field]}
    for field, element in _LISTS:
        holder = parameters.get(field)
        items = holder.get("items") if type(holder) is dict else None
        for item in items if type(items) is list else ():
            if type(item) is dict and _is_id(item.get(element)):
                yield {"type": _BY_PARAMETER[element], "id": item[element]}
    for field, kind in _NAMES.items():
        names = parameters.get(field)
        for name in names if type(names) is list else ():
            if _is_id(name):
                yield {"type": kind, "id": name}


def _is_id(value: Any) -> bool:
    return type(value) is str and bool(value)
