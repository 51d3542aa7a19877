"""The words of messages that are the product's own, in each language. The English ones stand where they are used."""

from __future__ import annotations

from collections.abc import Mapping

from streamproc.model.channel_settings import Language

ZH: Mapping[str, str] = {
    # what has happened
    "Alert Triggered": "告警触发",
    "Alert Reopened": "告警重新打开",
    "Alert Acknowledged": "告警已确认",
    "Alert Escalated": "告警升级",
    "Alert Resolved": "告警恢复",
    "triggered": "触发",
    "updated": "再次触发",
    "reopened": "重新打开",
    "acknowledged": "已确认",
    "escalated": "已升级",
    "resolved": "已恢复",
    "suppressed": "已抑制",
    "open": "未处理",
    # names
    "Alert": "告警",
    "Alerts": "告警",
    "Severity": "级别",
    "Triggered": "触发时间",
    "Status": "状态",
    "Period": "时间段",
    "Details": "详情",
    "Action": "操作",
    "Outcome": "结果",
    "Count": "次数",
    "Actor": "操作者",
    "Resource": "资源",
    "Reason": "原因",
    "Triggers": "触发次数",
    "Tenant": "租户",
    "Acknowledged by": "确认人",
    "Resolution": "处理结果",
    "Note": "备注",
    "Runbook": "处理手册",
    "View alert": "查看告警",
    "Alert record": "告警记录",
    # severities
    "critical": "严重",
    "high": "高",
    "medium": "中",
    "low": "低",
    "informational": "提示",
    "unknown": "未知",
    # sentences
    "{count} alerts": "{count} 条告警",
    "{count} Alerts: {what}": "{count} 条告警：{what}",
    "{count} in {span}": "{span}内 {count} 次",
    "{count} {unit}": "{count}{unit}",
    "{count} of {what}": "{count} 条{what}",
    "and {count} more": "另有 {count} 条",
    "cut, as the message would be too long": "消息过长，已截断",
    "1 more trigger was silent since the last notification.": "自上次通知以来另有 1 次触发未通知。",
    "{count} more triggers were silent since the last notification.": "自上次通知以来另有 {count} 次触发未通知。",
    "Escalation step {step}: nobody acknowledged for {span}.": "升级第 {step} 步：{span}无人确认。",
    "Escalation step {step}: nobody acknowledged.": "升级第 {step} 步：无人确认。",
    "Repetition {repeat}.": "第 {repeat} 次重复。",
    "{channel} could not be reached; this channel stands in for it.": "{channel} 无法送达，由本渠道代为通知。",
    # units
    "day": "天",
    "days": "天",
    "hour": "小时",
    "hours": "小时",
    "minute": "分钟",
    "minutes": "分钟",
    "second": "秒",
    "seconds": "秒",
}


def say(language: Language, text: str, **values: object) -> str:
    """The text in that language, with its values; a text without a translation stays English."""
    said = ZH.get(text, text) if language == "zh" else text
    return said.format(**values) if values else said
