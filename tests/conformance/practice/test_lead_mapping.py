"""Map Lead Fields: which custom field of Lead a conversion hands on, told by the Metadata API (salesforce.md 5.9)."""

from tests.conformance.practice.rest import Rest
from tests.conformance.practice.test_metadata_soap import soap

CALL = "<readMetadata><type>LeadConvertSettings</type><fullNames>LeadConvertSettings</fullNames></readMetadata>"


def test_the_mapping_is_told_and_asks_for_the_right(rest: Rest) -> None:
    rest.org.call("POST", "/lead-mapping", {"lead": "A__c", "contact": "B__c"})
    told = soap(rest, CALL).body.decode()
    assert '<records xsi:type="LeadConvertSettings"><fullName>LeadConvertSettings</fullName>' in told
    assert "<mappingFields><inputField>A__c</inputField><outputField>B__c</outputField></mappingFields>" in told
    rest.org.call("POST", "/lead-mapping", {"lead": "A__c", "contact": None})
    assert "mappingFields" not in soap(rest, CALL).body.decode()
    rest.org.permit(modify_metadata=False)
    assert "INSUFFICIENT_ACCESS" in soap(rest, CALL).body.decode()
